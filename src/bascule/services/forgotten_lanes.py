"""Lanes of a vault after a backup was put back: those in no row, and those that may hold bytes no row has.

The vault knows them: by `BatchPaid` those that paid, by `LaneSet` those that may hold signed bytes which no
block has yet. The latter matter for as long as a batch may run after it was signed, in rows or not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from bascule.chain import heads, vault_history
from bascule.chain import vault as vault_calls
from bascule.chain.caller import Caller
from bascule.chain.hexes import quantity
from bascule.domain.chain import Address, BlockRef
from bascule.domain.errors import BasculeError, Retryable
from bascule.services import lost_bytes
from bascule.services.lost_bytes import LostBytes
from bascule.storage import blocks, gas, lanes, networks
from bascule.storage.database import Connection, Database

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pending:
    """Lanes on which bytes may run yet that were signed before a restore, and that no row has.

    numbers: of lanes in no row; known: of open ones in rows; lost: until when.
    """

    numbers: frozenset[int]
    known: frozenset[int]
    lost: LostBytes

    def beside(self, number: int) -> Pending | None:
        """The same of the vault's other lanes; None for none.

        What a lane itself may have signed does no harm to it: one nonce and one head take one of two batches.
        """
        left = Pending(self.numbers - {number}, self.known - {number}, self.lost)
        return left if left.numbers or left.known else None

    def why(self) -> str:
        """What keeps the vault's other lanes closed, and until when."""
        told = ", ".join(map(str, sorted(self.numbers or self.known)))
        what = "is in no row and may have signed a batch before the restore"
        if not self.numbers:
            what = "may have signed a batch before the restore that no row has"
        until = f"until {self.lost.until()} is final, or the lane is retired"
        return f"number {told}, {what}, which may run {until}"


async def ran(db: Database, rpc: Caller, chain_id: int, vault: Address) -> dict[int, Address]:
    """The vault's lanes that ran a batch and are in no row, opened after the backup; and who sent it.

    Looked for from the block at which a lane of the vault was worked last, as its wallet was seen there: what
    a backup forgot came later, and no lane is worked before this was asked. Where none ever was, from where
    we began on the chain. Raises: Retryable when no node answers.
    """
    async with db.read() as conn:
        known = await lanes.of_vault(conn, chain_id, vault)
        worked = await gas.worked_up_to(conn, chain_id, vault)
        began = await began_at(conn, chain_id)
        final = await final_block(conn, chain_id)
    first = min(began if worked is None else worked, final.number)

    async def ask(node: Caller) -> dict[int, Address]:
        last = await _newest(node, final)
        return await vault_history.lanes_that_ran(node, vault, known, first=first, last=last)

    told = await _told(rpc, ask, f"which lanes of the vault ran since block {first}")
    return {number: wallet for each in told for number, wallet in each.items()}


async def pending(db: Database, rpc: Caller, chain_id: int, vault: Address) -> Pending | None:
    """The lanes that are not retired and may hold bytes signed before a restore; None for none.

    Costs one question to the database where nothing shows a restore. Afterwards every number counts that the
    owner gave away before the check: it may have got its row, or a batch that no row has, after the backup.
    One node that knows of one is enough. Raises: Retryable when no node answers for the whole chain.
    """
    async with db.read() as conn:
        lost = await lost_bytes.may_run(conn, chain_id)
        if lost is None:
            return None
        rows = await lanes.of_vault(conn, chain_id, vault)
        known = frozenset(lane.lane for lane in await lanes.open_of_vault(conn, chain_id, vault))
        final = await final_block(conn, chain_id)
    checked = lost.checked_at

    async def ask(node: Caller) -> set[int]:
        last = await _newest(node, final, checked)
        given = dict.fromkeys(known, 0) | await vault_history.lanes_set(node, vault, last)
        at = quantity(final.number)
        return {
            number
            for number in sorted(given.keys() - (rows - known))
            if not await vault_calls.retired(node, vault, number, at)
            and not await _is_of_after(node, given[number], checked)
        }

    told = await _told(rpc, ask, "all events by which the vault's owner opened lanes, as after a restore")
    found = frozenset(number for each in told for number in each)
    return Pending(found - known, found & known, lost) if found else None


async def began_at(conn: Connection, chain_id: int) -> int:
    """The block from which we are on a chain: its network's first, else the first that was read."""
    network = await networks.get(conn, chain_id)
    return (network and network.start_block) or await blocks.first(conn, chain_id) or 0


async def final_block(conn: Connection, chain_id: int) -> BlockRef:
    """The newest final block. Raises: Retryable while there is none."""
    cursor = await blocks.cursor(conn, chain_id)
    found = None if cursor is None else await blocks.canonical_at(conn, chain_id, cursor.finalized_number)
    if found is None:
        raise Retryable(f"no block of chain {chain_id} is final yet, so no lane can be compared with it")
    return found


async def _newest(node: Caller, final: BlockRef, since: datetime | None = None) -> int:
    """Its newest block's number. Raises: Retryable when it lacks our final one, or is of before `since`."""
    newest = (await heads.latest(node)).ref
    if newest.number < final.number or (since is not None and newest.time < since.timestamp()):
        raise Retryable(f"its newest block is {newest.number}, of {datetime.fromtimestamp(newest.time, UTC)}")
    return newest.number


async def _is_of_after(node: Caller, number: int, checked: datetime | None) -> bool:
    """Whether the block came after the check, and with it what only a process of now can have signed."""
    header = None if checked is None else await heads.by_number(node, number)
    return header is not None and checked is not None and header.ref.time > checked.timestamp()


async def _told(rpc: Caller, ask: Callable[[Caller], Awaitable[T]], what: str) -> list[T]:
    """What each node answers. Raises: Retryable when none does."""
    told = await rpc.everyone(ask)
    found = [each for _, each in told if not isinstance(each, BasculeError)]
    if not found:
        failed = next((str(each) for _, each in told), "none can be asked")
        raise Retryable(f"no node shows {what}: {failed}")
    return found
