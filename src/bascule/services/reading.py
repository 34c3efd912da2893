"""Reading: what blocks hold, as far as a node's word and their blooms go; the prover holds it against more.

Nobody is asked about a block whose bloom holds neither a Transfer nor a word of an accepted token or of the
factory. Others are read from the node's logs, which must add up to the bloom, or from their receipts where a
node was wrong about them. A question that is too much for the node is put in smaller ones; a single block
that is, is read from its receipts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from bascule.chain import block_receipts, dialects, erc20, factory, token_events
from bascule.chain import logs as chain_logs
from bascule.chain.bloom import may_hold
from bascule.chain.caller import Caller
from bascule.chain.errors import Garbled, IncompleteAnswer, NodeSays, RpcError, WrongShape
from bascule.chain.heads import Header
from bascule.chain.logs import Log
from bascule.domain.chain import Address, ChainId, Hash
from bascule.domain.hashing import keccak
from bascule.storage.blocks import Read
from bascule.storage.contract_events import ContractEvent
from bascule.storage.transfers import Transfer

_log = structlog.get_logger()
Logs = list[list[Log]]
_TOO_MUCH = frozenset({NodeSays.TOO_MANY_RESULTS, NodeSays.TIMED_OUT})
_RECEIPTS_AT_ONCE = 32  # blocks
FIRST_SPAN = 32  # blocks


@dataclass
class Span:
    """How many blocks a question about a range is for: fewer where they hold much, or where it was too much.

    logs: how many an answer should hold; most: blocks, whatever they hold; ceiling: blocks that a node may
    still answer. It falls with a refusal and rises slowly, so that a node's limit is run into seldom.
    """

    blocks: int = FIRST_SPAN
    logs: int = 5_000
    most: int = 512
    ceiling: int = 512

    def answered(self, blocks: int, logs: int) -> None:
        """So many blocks held so many logs: the next range is for `logs` of them, at most doubled."""
        self.ceiling = min(self.most, self.ceiling + 1 + self.ceiling // 32)
        fitting = self.most if not logs else blocks * self.logs // logs
        self.blocks = max(1, min(self.ceiling, 2 * self.blocks, fitting))

    def refused(self, blocks: int) -> None:
        """So many blocks were too much."""
        self.ceiling = max(1, min(self.ceiling, blocks * 3 // 4))
        self.blocks = max(1, min(self.blocks, blocks // 2))


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: blocks in order, all transfers in them, what accepted tokens and the factory said."""

    blocks: list[Read]
    transfers: list[Transfer]
    events: list[ContractEvent] = field(default_factory=list)


@dataclass(frozen=True)
class Reader:
    """Reads blocks of one chain.

    misread: blocks that a node told us wrongly; they are read from their receipts. span: of the next range.
    tokens: the accepted ones, whose words about themselves are read too, as those of `factories`. told: what
    nodes answered, until it is proven.
    """

    rpc: Caller
    chain_id: ChainId
    counters: Counter[str]
    misread: set[Hash] = field(default_factory=set)
    span: Span = field(default_factory=Span)
    tokens: set[Address] = field(default_factory=set)
    factories: set[Address] = field(default_factory=set)
    told: chain_logs.Told = field(default_factory=chain_logs.Told)

    async def read(self, headers: Sequence[Header], *, proven: bool = False) -> Reading:
        """All transfers in these blocks. proven: from receipts wherever a block's header has their root, else
        as a quorum tells: for blocks that are proven already, so that nobody asks for a proof again.

        Raises: IncompleteAnswer when an answer contradicts the header; WrongShape, RpcError, NodeUnreachable,
        NoQuorum.
        """
        asked = [header for header in headers if not self.holds_nothing(header)]
        by_receipts = [h for h in asked if provable(h) and (proven or h.hash in self.misread)]
        by_logs = [header for header in asked if header not in by_receipts]
        ask = self._agreed if proven else self._of_blocks
        told = [*zip(by_logs, await self._logs(by_logs, ask), strict=True)]
        told += zip(by_receipts, await block_receipts.logs_of(self.rpc, by_receipts), strict=True)
        return self._reading(headers, {header.hash: logs for header, logs in told})

    async def read_range(self, headers: Sequence[Header]) -> Reading:
        """As `read`, of blocks that follow each other, many at once; logs that fall short are asked again.

        Where no node's range answers bear themselves out, the blocks are read from their receipts.
        """
        asked = [header for header in headers if not self.holds_nothing(header)]
        if not asked:
            self.span.answered(len(headers), 0)
            return self._reading(headers, {})
        first, last = headers.index(asked[0]), headers.index(asked[-1])
        part = headers[first : last + 1]
        if any(header.hash in self.misread for header in part):
            return await self._proven(headers)
        try:
            told = await self._logs(part, self._of_range)
        except (IncompleteAnswer, WrongShape) as error:
            if isinstance(error, Garbled):
                raise
            self.counters["answers_refused"] += 1
            _log.warning("logs of a range contradict a header", chain_id=self.chain_id, why=str(error))
            return await self._proven(headers)
        self.span.answered(len(headers), sum(map(len, told)))
        return self._reading(headers, {h.hash: logs for h, logs in zip(part, told, strict=True)})

    async def _proven(self, headers: Sequence[Header]) -> Reading:
        """From receipts, as many at once as the prover asks for."""
        whole = Reading([], [])
        for at in range(0, len(headers), _RECEIPTS_AT_ONCE):
            part = await self.read(headers[at : at + _RECEIPTS_AT_ONCE], proven=True)
            whole.blocks.extend(part.blocks)
            whole.transfers.extend(part.transfers)
            whole.events.extend(part.events)
        return whole

    async def _logs(
        self, headers: Sequence[Header], ask: Callable[[Caller, Sequence[Header]], Awaitable[Logs]]
    ) -> Logs:
        """The blocks' logs, by as many questions as the node needs. Raises as `read`."""
        found: Logs = []
        at_once = len(headers)
        while len(found) < len(headers):
            part = headers[len(found) : len(found) + at_once]
            try:
                found += await ask(self.rpc, part)
            except RpcError as refusal:
                if refusal.says not in _TOO_MUCH or (len(part) == 1 and not provable(part[0])):
                    raise
                self.counters["questions_too_large"] += 1
                self.span.refused(len(part))
                if len(part) == 1:
                    found += await block_receipts.logs_of(self.rpc, part)
                    continue
                fits = dialects.suggested(refusal, part[0].number, part[-1].number)
                at_once = len(part) // 2 if fits is None else fits[1] - fits[0] + 1
        return found

    def _reading(self, headers: Sequence[Header], told: dict[Hash, list[Log]]) -> Reading:
        reading = Reading([], [])
        ignored: Counter[str] = Counter()
        self.rpc.worth.shown |= any(told.get(header.hash) for header in headers if header.bloom is not None)
        for header in headers:
            moved, passed_over = erc20.transfers(told.get(header.hash, []))
            ignored += passed_over
            reading.blocks.append(Read(header.ref, "bloom", erc20.digest(moved)))
            reading.transfers.extend(_row(header, transfer) for transfer in moved)
            reading.events.extend(self.words(header, told.get(header.hash, [])))
        if ignored:
            self.counters.update({f"logs_ignored_{reason}": count for reason, count in ignored.items()})
            _log.info("logs passed over", chain_id=self.chain_id, upto=headers[-1].number, **ignored)
        return reading

    def words(self, header: Header, logs: Sequence[Log]) -> list[ContractEvent]:
        """What the accepted tokens and the factories say of themselves in a block with these logs."""
        return [
            *(_said(header, each) for each in token_events.found(logs, self.tokens)),
            *(_announced(header, each) for each in factory.announced(logs, self.factories)),
        ]

    def said(self, blocks_logs: Sequence[Sequence[Log]]) -> list[Hash]:
        """What nodes must agree on, block by block: all transfers, and the words of contracts if any."""
        found = []
        for logs, digest in zip(blocks_logs, digests(blocks_logs), strict=True):
            words = [*token_events.found(logs, self.tokens), *factory.announced(logs, self.factories)]
            found.append(Hash(keccak(digest + repr(words).encode())) if words else digest)
        return found

    async def _of_blocks(self, rpc: Caller, headers: Sequence[Header]) -> Logs:
        return await chain_logs.of_blocks(rpc, headers, self.told)

    async def _of_range(self, rpc: Caller, headers: Sequence[Header]) -> Logs:
        return await chain_logs.of_range(rpc, headers, self.told)

    async def _agreed(self, rpc: Caller, headers: Sequence[Header]) -> Logs:
        return await chain_logs.agreed_of_blocks(rpc, headers, self.said)

    def holds_nothing(self, header: Header) -> bool:
        """Whether the block's own bloom rules out all that is read of it."""
        if header.bloom is None or not holds_no_transfer(header):
            return False
        if self.rpc.family is None and not self.rpc.worth.shown:
            return False
        if factory.may_announce(header.bloom, self.factories):
            return False
        return not token_events.may_be_in(header.bloom, self.tokens)


def digests(blocks_logs: Sequence[Sequence[Log]]) -> list[Hash]:
    """What is compared of blocks' logs: all their transfers, block by block."""
    return [erc20.digest(erc20.transfers(block_logs)[0]) for block_logs in blocks_logs]


def holds_no_transfer(header: Header) -> bool:
    """Whether the block's own bloom rules every ERC-20 Transfer out."""
    return header.sealed and header.bloom is not None and not may_hold(header.bloom, erc20.TRANSFER)


def provable(header: Header) -> bool:
    """Whether the block's receipts can be held against its header."""
    return header.sealed and header.receipts_root is not None


def _row(header: Header, found: erc20.Transfer) -> Transfer:
    return Transfer(
        block_hash=header.hash,
        log_index=found.log_index,
        block_number=header.number,
        tx_hash=found.tx_hash,
        token=found.token,
        src=found.src,
        dst=found.dst,
        amount=found.amount,
        occurrence=found.occurrence,
    )


def _said(header: Header, said: token_events.Said) -> ContractEvent:
    return ContractEvent(
        block_hash=header.hash,
        log_index=said.log_index,
        block_number=header.number,
        tx_hash=said.tx_hash,
        contract=said.token,
        kind=said.kind,
        subject=said.subject,
    )


def _announced(header: Header, said: factory.Announced) -> ContractEvent:
    return ContractEvent(
        block_hash=header.hash,
        log_index=said.log_index,
        block_number=header.number,
        tx_hash=said.tx_hash,
        contract=said.factory,
        kind=said.kind,
        subject=said.collector,
    )
