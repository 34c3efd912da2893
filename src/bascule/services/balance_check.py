"""Balances against logs: what a token moved to and from our addresses must be what its Transfers say.

Asked for each stretch of blocks as it becomes final, and for what is found behind it later. A token that
logs otherwise than it moves (a fee on transfer, a rebase, a log alone) is suspended before anything of that
stretch is credited, and a break opens.
Both ends of a stretch are final, so a height names one block.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog

from bascule.chain import erc20, heads
from bascule.chain.caller import Caller
from bascule.chain.errors import Garbled, NodeSays, NodesContradict, NoQuorum, RpcError, WrongShape
from bascule.chain.evidence import Exchange, Tellers
from bascule.domain.chain import ZERO_ADDRESS, Address, ChainId, checksum
from bascule.domain.errors import Retryable
from bascule.services.breaks import Breaks
from bascule.services.suspending import Suspending
from bascule.storage import tokens, transfers
from bascule.storage.breaks import Found
from bascule.storage.database import Connection, Database
from bascule.storage.transfers import Touched

_log = structlog.get_logger()
CAUSE = "balance_mismatch"
BREAK_TYPE = "balance_delta"
_AT_ONCE = 500  # balances in one request
# token id -> its addresses and what they moved; None where the token gives no balance.
Broken = Mapping[str, Sequence[tuple[Touched, int | None]]]


class BalancesDisputed(Retryable):
    """Answers tell other balances of final blocks and one node's word decides; they must agree first."""


class _Heard(NamedTuple):
    """What one node said that places have more; None: it has no state of those blocks."""

    name: str
    exchange: Exchange
    moved: list[int | None] | None


@dataclass(frozen=True)
class BalanceCheck:
    """Compares, and holds what does not agree."""

    db: Database
    rpc: Caller
    chain_id: ChainId
    breaks: Breaks
    suspending: Suspending
    counters: Counter[str]

    async def broken(self, after: int, upto: int, *, settled: bool = True) -> Broken:
        """The tokens whose balances at our addresses moved otherwise than logged in blocks after + 1 … upto.

        Where the state of `after` is gone, as after a long outage, from the oldest state there is; what moved
        before that is counted, not checked. settled: `upto` is final, so that who is outvoted lies. Raises:
        BalancesDisputed, as reads do.
        """
        async with self.db.read() as conn:
            touched = await transfers.touched(conn, self.chain_id, after, upto)
        return await self._broken(touched, after, upto, settled, older=True)

    async def broken_late(self, finalized: int) -> Broken:
        """As `broken`, of deposits that are booked with the next final block though theirs was final before.

        At their addresses, from the lowest of their blocks to the final one. Whose difference a person has
        looked at since is not among them.
        """
        async with self.db.read() as conn:
            after, touched = await transfers.touched_late(conn, self.chain_id, finalized)
        return await self._broken(touched, after, finalized, True, older=False)

    async def _broken(
        self, touched: Sequence[Touched], after: int, upto: int, settled: bool, *, older: bool
    ) -> Broken:
        """older: where the state of `after` is gone, the oldest there is does instead."""
        by_token: dict[str, list[Touched]] = defaultdict(list)
        for each in touched:
            by_token[each.token_id].append(each)
        broken = {}
        for token_id, logged in by_token.items():
            since, places, told = after, logged, Tellers()
            moved = await self._told(places, since, upto, settled, told)
            if moved is None and older and (oldest := await self._oldest(after, upto)) is not None:
                since, places, told = oldest, await self._touched(token_id, oldest, upto), Tellers()
                moved = await self._told(places, since, upto, settled, told)
            if moved is None or not _differing(places, moved):
                continue
            again = await self._agreed(places, since, upto, settled, whole=True)
            if again is None:
                again = await self._second(token_id, places, since, upto, told)
            if differing := _differing(places, again):
                broken[token_id] = differing
        return broken

    async def _told(
        self, places: Sequence[Touched], after: int, upto: int, settled: bool, told: Tellers
    ) -> list[int | None] | None:
        """What each place has more, as a quorum says: where several must agree one's word credits nothing.

        Where fewer have the state, as those that have it say alike. None: nobody has it. told: takes note of
        who said so, where that is one node. Raises: NoQuorum where too few answer, BalancesDisputed.
        """
        if self.rpc.quorum == 1:
            moved = await self._moved(self.rpc.noting(told), places, after, upto, whole=False)
        else:
            moved = await self._told_by_several(places, after, upto, settled, told)
        if moved is None:
            self.counters["balances_unchecked"] += len(places)
            _log.warning("balances not checked", chain_id=self.chain_id, upto=upto)
        return moved

    async def _told_by_several(
        self, places: Sequence[Touched], after: int, upto: int, settled: bool, told: Tellers
    ) -> list[int | None] | None:
        """As `_told`, where several must agree."""
        heard: list[_Heard] = []
        moved = await self._agreed(places, after, upto, settled, whole=False, heard=heard)
        if moved is not None:
            return moved
        have_it = [each for each in heard if each.moved is not None]
        if len(have_it) == len(heard):
            raise NoQuorum(f"too few nodes tell balances of block {upto}; {self.rpc.quorum} are needed")
        if not have_it:
            return None
        if any(each.moved != have_it[0].moved for each in have_it):
            raise BalancesDisputed(f"the nodes that have balances of block {upto} differ about them")
        self.counters["balances_told_by_few"] += len(places)
        _log.warning("balances told by few", chain_id=self.chain_id, upto=upto, by=[n.name for n in have_it])
        told[have_it[0].name] = have_it[0].exchange
        return have_it[0].moved

    async def _second(
        self, token_id: str, places: Sequence[Touched], after: int, upto: int, told: Tellers
    ) -> list[int | None]:
        """As another node says; the same one once more, where nobody else can tell and none ever will.

        Raises: BalancesDisputed unless that differs, too.
        """
        against = Tellers()
        another = self.rpc.other(than=told, only=True).noting(against)
        again = await self._moved(another, places, after, upto, whole=True)
        if again is None and await self._gone_elsewhere(told, places, after, upto):
            again = await self._moved(self.rpc.noting(against), places, after, upto, whole=True)
        if again is None:
            raise BalancesDisputed(f"one node alone has balances of {token_id} at block {upto}")
        if not _differing(places, again):
            why = f"nodes differ about balances of {token_id} at block {upto}"
            self.rpc.disputed(told, against, why)
            raise BalancesDisputed(why)
        return again

    async def _gone_elsewhere(self, told: Tellers, places: Sequence[Touched], after: int, upto: int) -> bool:
        """Whether each other node has the last block and keeps no state for it: waiting would have no end."""

        async def gone(node: Caller) -> bool:
            [header] = await heads.by_numbers(node, [upto])
            return header is not None and await self._moved(node, places, after, upto, whole=True) is None

        heard = await self.rpc.everyone(gone)
        return {*told, *(name for name, said in heard if said is True)} >= {*self.rpc.names}

    async def _touched(self, token_id: str, after: int, upto: int) -> list[Touched]:
        async with self.db.read() as conn:
            touched = await transfers.touched(conn, self.chain_id, after, upto)
        return [each for each in touched if each.token_id == token_id]

    async def _oldest(self, after: int, upto: int) -> int | None:
        """The lowest height from which on a node tells balances, though not those of `after`; None: none."""
        if not await self._tells(upto):
            return None
        untold, told = after, upto
        while told - untold > 1:
            middle = (untold + told) // 2
            untold, told = (untold, middle) if await self._tells(middle) else (middle, told)
        return told

    async def _tells(self, height: int) -> bool:
        """Whether some node has the state of that block."""
        try:
            await erc20.balances(self.rpc, [(ZERO_ADDRESS, ZERO_ADDRESS)], height)
        except RpcError as error:
            if error.says is not NodeSays.UNKNOWN_BLOCK:
                raise
            return False
        return True

    async def _agreed(
        self,
        places: Sequence[Touched],
        after: int,
        upto: int,
        settled: bool,
        *,
        whole: bool,
        heard: list[_Heard] | None = None,
    ) -> list[int | None] | None:
        """What a quorum says that each place has more; who says otherwise of final blocks lies, and is kept.

        None where one node is enough, as then none outvotes another, or too few can tell. whole: as `_moved`;
        heard: what each node said. Raises: NodesContradict.
        """
        if self.rpc.quorum == 1:
            return None

        async def ask(rpc: Caller) -> list[int | None] | None:
            moved = await self._moved(rpc, places, after, upto, whole=whole)
            if heard is not None:
                heard.append(_Heard(rpc.names[0], rpc.exchange or Exchange(), moved))
            return moved

        def said(moved: list[int | None] | None) -> list[int | str | None]:
            if moved is None:
                return [None] * len(places)
            return ["no balance" if each is None else each for each in moved]

        try:
            return await self.rpc.agreed(ask, said, settled=settled)
        except NodesContradict:
            raise
        except NoQuorum:
            return None

    async def _moved(
        self, rpc: Caller, places: Sequence[Touched], after: int, upto: int, *, whole: bool
    ) -> list[int | None] | None:
        """What each place has more at the end of `upto` than of `after`; None: the node cannot tell.

        whole: nothing is taken for granted of addresses that held nothing before.
        """
        try:
            return await rpc.checked(lambda node: _moved(node, places, after, upto, whole))
        except RpcError as error:
            if error.says is not NodeSays.UNKNOWN_BLOCK:
                raise
            return None

    async def hold(self, conn: Connection, broken: Broken, upto: int) -> None:
        """The tokens are suspended and have an open break, in the caller's transaction."""
        for token_id, places in broken.items():
            token = await tokens.get(conn, token_id)
            assert token is not None, "a token of transfers that were read exists"
            evidence = {"block_number": upto, "addresses": [_shown(*each) for each in places]}
            await self.suspending.suspend(conn, token, CAUSE, evidence)
            self.counters["balance_mismatches"] += 1
            await self.breaks.open(conn, Found(BREAK_TYPE, token_id, evidence, self.chain_id, token_id))


def _differing(places: Sequence[Touched], moved: Sequence[int | None]) -> list[tuple[Touched, int | None]]:
    return [(place, by) for place, by in zip(places, moved, strict=True) if by != place.logged]


def _shown(place: Touched, moved: int | None) -> dict[str, Any]:
    said = None if moved is None else str(moved)
    return {"address": checksum(place.address), "logged": str(place.logged), "moved": said}


async def _moved(
    node: Caller, places: Sequence[Touched], after: int, upto: int, whole: bool
) -> list[int | None]:
    """As one node tells both ends."""
    asked = [place for place in places if whole or not place.fresh]
    before = dict(zip(asked, await _balances(node, asked, after), strict=True))
    held = await _balances(node, places, upto)
    found: list[int | None] = []
    for place, now in zip(places, held, strict=True):
        then = before.get(place, 0)
        found.append(None if now is None or then is None else now - then)
    return found


async def _balances(rpc: Caller, places: Sequence[Touched], height: int) -> list[int | None]:
    """What each place holds; None where the token gives no balance, which is the token's doing."""
    held: list[int | None] = []
    for start in range(0, len(places), _AT_ONCE):
        pairs = [(place.token, Address(place.address)) for place in places[start : start + _AT_ONCE]]
        try:
            held += await erc20.balances(rpc, pairs, height)
        except (WrongShape, RpcError) as error:
            silent = isinstance(error, WrongShape) and not isinstance(error, Garbled)
            if not silent and not (isinstance(error, RpcError) and error.says is NodeSays.REVERTED):
                raise
            held += [None] * len(pairs)
    return held
