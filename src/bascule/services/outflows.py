"""What leaves us without a payout: capital that goes back to its source, or money that is missing.

The owner of a vault may withdraw; the keys of other addresses of ours are outside of this bridge; some
issuers move what lies at any address, a deposit address too. At finality each such transfer is booked. What
went to no source of capital, or was more than the operator has free, is an open break, and its token is
suspended: nothing is paid in it until a person has looked.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from bascule.chain import block_receipts, heads, vault
from bascule.chain.caller import Caller
from bascule.chain.heads import Header
from bascule.chain.logs import Log
from bascule.domain.chain import Address, ChainId, Hash, caip2, checksum, hex32
from bascule.domain.errors import Retryable
from bascule.services.breaks import Breaks
from bascule.services.suspending import Suspending
from bascule.storage import ledger, tokens, transfers
from bascule.storage.breaks import Found
from bascule.storage.database import Connection, Database
from bascule.storage.transfers import Outflow

_log = structlog.get_logger()
CAUSE = BREAK_TYPE = "unexplained_outflow"
Place = tuple[Hash, int]


class OutflowUnread(Retryable):
    """No node tells the block in which money left us; nothing becomes final before one does."""


@dataclass(frozen=True)
class Outflows:
    """Finds them before a stretch becomes final, and books them with it."""

    db: Database
    rpc: Caller
    chain_id: ChainId
    breaks: Breaks
    suspending: Suspending
    counters: Counter[str]

    async def look(self, after: int, upto: int) -> set[Place]:
        """Where money leaves us in blocks after + 1 … upto by no batch of a vault; (block hash, log index).

        A batch that we know nothing of is what an older backup forgot: `bascule restore check` takes it over.
        Raises: OutflowUnread, as reads do.
        """
        async with self.db.read() as conn:
            found = await transfers.outflows_between(conn, self.chain_id, after, upto)
        return await by_no_batch(self.rpc, found)

    async def book(self, conn: Connection, after: int, upto: int, looked: Collection[Place]) -> None:
        """Those places are booked when this returns, in the caller's transaction, in which they are final.

        What was missing before, and a person has looked at, is the operator's loss. What left a deposit
        address before it came into the books is left out: a run of the reconciliation names it.
        """
        for each in await transfers.outflows_between(conn, self.chain_id, after, upto) if looked else ():
            if (each.block_hash, each.log_index) in looked and not each.held:
                explained = await ledger.post_outflow(conn, self.chain_id, each.block_hash, each.log_index)
                self.counters["outflows_explained" if explained else "outflows_unexplained"] += 1
                if not explained:
                    await self._stop(conn, each)
        await ledger.post_losses(conn, self.chain_id)

    async def _stop(self, conn: Connection, outflow: Outflow) -> None:
        token = await tokens.get(conn, outflow.token_id)
        assert token is not None, "a token of a transfer that was booked exists"
        evidence = {
            "network": caip2(self.chain_id),
            "transaction": hex32(outflow.tx_hash),
            "block_number": outflow.block_number,
            "contract": checksum(token.contract),
            "from": checksum(Address(outflow.src)),
            "to": checksum(Address(outflow.dst)),
            "amount_atomic": str(outflow.amount),
            "why": "more_than_the_operator_has_free" if outflow.to_source else "to_nobody_we_know",
        }
        subject = self._subject(token.id, Hash(outflow.block_hash), outflow.log_index)
        _log.error("money left us without a payout", **evidence)
        found = Found(BREAK_TYPE, subject, evidence, self.chain_id, token.id, amount=-outflow.amount)
        await self.breaks.open(conn, found)
        await self.suspending.suspend(conn, token, CAUSE, evidence)

    async def found(self, conn: Connection, places: Iterable[tuple[str, Hash, int]]) -> None:
        """Money that was booked as gone lies at an address that proved to be ours: it is in the books again.

        places: (token id, block hash, log index). What suspends the token is a person's to lift.
        """
        for token_id, block_hash, log_index in places:
            await ledger.post_found(conn, self.chain_id, block_hash, log_index)
            await self.breaks.end(
                conn, BREAK_TYPE, self._subject(token_id, block_hash, log_index), {"why": "payee_is_ours"}
            )
            self.counters["outflows_found"] += 1

    def _subject(self, token_id: str, block_hash: Hash, log_index: int) -> str:
        return f"{token_id}/{self.chain_id}/{block_hash.hex()}/{log_index}"


async def by_no_batch(rpc: Caller, found: Sequence[Outflow]) -> set[Place]:
    """Those that no batch of a vault made, as the logs of their blocks say.

    Raises: OutflowUnread, as reads do.
    """
    told = await _logs(rpc, list(dict.fromkeys(Hash(each.block_hash) for each in found)))
    return {(Hash(each.block_hash), each.log_index) for each in found if not _is_batch(each, told)}


async def _logs(rpc: Caller, wanted: Sequence[Hash]) -> dict[Hash, list[Log]]:
    """All logs of these blocks as their headers prove them, or as a quorum tells where headers do not."""
    headers = await heads.by_hashes(rpc, wanted)
    known = [header for header in headers if header is not None]
    if len(known) < len(wanted):
        raise OutflowUnread("no node tells a block of ours in which money left us")
    proving = rpc.family is not None and all(
        header.sealed and header.receipts_root is not None for header in known
    )
    if proving or not known:
        return dict(zip(wanted, await block_receipts.logs_of(rpc, known), strict=True))
    agreed = await rpc.agreed(lambda node: _told(node, known), lambda told: told, settled=False)
    return dict(zip(wanted, agreed, strict=True))


async def _told(node: Caller, headers: Sequence[Header]) -> list[list[Log]]:
    return [block_receipts.logs(receipts) for receipts in await block_receipts.told(node, headers)]


def _is_batch(outflow: Outflow, told: Mapping[Hash, Sequence[Log]]) -> bool:
    """Whether its vault says that a batch ran in the transaction."""
    logs = [log for log in told[outflow.block_hash] if log.tx_hash == outflow.tx_hash]
    return bool(vault.facts(Address(outflow.src), logs).batches)
