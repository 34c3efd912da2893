"""Lanes of a vault that are in no row, as they were opened after the backup that was put back.

The vault knows them: by `BatchPaid` those that paid, by `LaneSet` those that may hold signed bytes which no
block has yet. The latter matter for as long as a batch may run after it was signed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from bascule.chain import heads, vault_history
from bascule.chain import vault as vault_calls
from bascule.chain.caller import Caller
from bascule.chain.hexes import quantity
from bascule.domain.chain import Address, BlockRef
from bascule.domain.errors import BasculeError, Retryable
from bascule.domain.vault import LONGEST_BATCH_LIFE
from bascule.storage import address_epochs, blocks, gas, lanes, networks
from bascule.storage.database import Connection, Database

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pending:
    """Lanes in no row on which signed bytes may run yet.

    over: what a final block's time has to pass, so that none can; None until a restore check ended here.
    """

    numbers: Collection[int]
    over: datetime | None

    def why(self) -> str:
        """What keeps the vault's lanes closed, and until when."""
        told = ", ".join(map(str, sorted(self.numbers)))
        until = "an hour after a restore check" if self.over is None else f"{self.over:%Y-%m-%dT%H:%M:%SZ}"
        return (
            f"number {told}, is in no row and may have signed a batch before the restore, which may run until"
            f" {until} is final, or the lane is retired"
        )


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
    """The lanes that are in no row, not retired, and may hold bytes signed before a restore; None for none.

    Costs one question to the database where nothing shows a restore. Afterwards every number counts that the
    owner ever gave away: it may have got its row, and its first batch, after the backup. One node that knows
    of one is enough. Raises: Retryable when no node answers for the whole chain.
    """
    async with db.read() as conn:
        restored = await address_epochs.restored(conn)
        if restored is None:
            return None
        known = await lanes.of_vault(conn, chain_id, vault)
        final = await final_block(conn, chain_id)
    checked = restored.checked_at
    over = None if checked is None else checked + LONGEST_BATCH_LIFE
    if over is not None and datetime.fromtimestamp(final.time, UTC) > over:
        return None

    async def ask(node: Caller) -> set[int]:
        last = await _newest(node, final, checked)
        numbers = await vault_history.lanes_set(node, vault, last)
        at = quantity(final.number)
        return {
            number
            for number in sorted(numbers - known)
            if not await vault_calls.retired(node, vault, number, at)
        }

    told = await _told(rpc, ask, "all events by which the vault's owner opened lanes, as after a restore")
    found = {number for each in told for number in each}
    return Pending(found, over) if found else None


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


async def _told(rpc: Caller, ask: Callable[[Caller], Awaitable[T]], what: str) -> list[T]:
    """What each node answers. Raises: Retryable when none does."""
    told = await rpc.everyone(ask)
    found = [each for _, each in told if not isinstance(each, BasculeError)]
    if not found:
        failed = next((str(each) for _, each in told), "none can be asked")
        raise Retryable(f"no node shows {what}: {failed}")
    return found
