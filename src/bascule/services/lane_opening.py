"""The look around before a lane is worked: vault, wallet and signer against the rows.

Asked at the first turn under a lease's epoch, and at each turn after that while something does not match.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bascule.chain import heads, nonces
from bascule.chain import vault as vault_calls
from bascule.chain.caller import Caller
from bascule.domain.chain import Address, BlockRef, Hash, checksum
from bascule.domain.errors import BasculeError, Halted, NotFound, Retryable
from bascule.domain.lane_opening import OF_SIGNER, Given, Marks, Rows, Seen, unknown_to_rows, unlike_signer
from bascule.domain.slot import SlotKind
from bascule.services import forgotten_lanes, submitted_batch
from bascule.services.forgotten_lanes import Pending, final_block
from bascule.services.signing_intents import MarksOf, SignerPort, SignerRefused
from bascule.services.together import Together
from bascule.storage import address_epochs, attempts, lanes, slots
from bascule.storage.database import Connection, Database
from bascule.storage.lanes import Lane
from bascule.storage.leases import Lease

T = TypeVar("T")
LANES_AT_ONCE = 50  # two questions each in one batch, which nodes take
BESIDE = "another lane of its vault"  # how the reason begins that is no fault of the lane itself
ELSEWHERE = "a lane of a vault its chain paid from before"


class LaneClosed(Halted):
    """Chain or signer knows what these rows do not; nothing is reserved or signed."""

    def __init__(self, lane: str, why: str) -> None:
        super().__init__(f"lane {lane} is closed: {why}; run `bascule restore check`")


@dataclass(frozen=True, slots=True)
class Behind:
    """The lanes of a vault whose rows are not all there is. why: by name, of those that have rows;

    forgotten: numbers of those that have none and paid; pending: those that may pay yet what no row has;
    elsewhere: what is to be waited for at the chain's other vaults.
    """

    why: Mapping[str, str]
    forgotten: Collection[int] = ()
    pending: Pending | None = None
    elsewhere: str | None = None


async def look(
    db: Database, rpc: Caller, signer: SignerPort, chain_id: int, lane: str, wallet: Address, lease: Lease,
    together: Together,
) -> str | None:  # fmt: skip
    """Why the lane must stay closed; None when it may be worked.

    Every node that has our final block is heard, and one that contradicts the rows is enough. A lane waits
    for the others of its vault: what one of them paid and the rows forgot is not paid again by any.
    together: shared with the lanes that open beside it. Raises: Retryable when nobody can be asked.
    """
    async with db.read() as conn:
        place = await _place(conn, chain_id, lane)
        given = await _given(conn, chain_id, wallet, lease.epoch)
    try:
        marks = await signer.marks(MarksOf(chain_id, wallet))
    except SignerRefused as refusal:
        return f"{OF_SIGNER} refuses the wallet: {refusal.message}"
    if (why := unlike_signer(given, Marks(marks.epoch, marks.nonce))) is not None:
        return why
    if place is None:
        return await _service_behind(db, rpc, chain_id, wallet)
    vault = place.vault
    found = await together.ask((chain_id, vault), lambda: _look_at_vault(db, rpc, chain_id, vault))
    if (why := found.why.get(place.name)) is not None:
        return why
    for name, why in found.why.items():
        return f"{BESIDE}, {name}, is behind: {why}"
    for number in sorted(found.forgotten):
        return f"{BESIDE}, number {number}, is in no row and has paid"
    others = None if found.pending is None else found.pending.beside(place.lane)
    return found.elsewhere if others is None else f"{BESIDE}, {others.why()}"


async def _look_at_vault(db: Database, rpc: Caller, chain_id: int, vault: Address) -> Behind:
    async with db.read() as conn:
        lanes_there = await lanes.open_of_vault(conn, chain_id, vault)
    if why := await behind(db, rpc, lanes_there):
        return Behind(why)
    # in this order: what can run no more has run by the final block asked here, and events are read past it
    pending = await forgotten_lanes.pending(db, rpc, chain_id, vault)
    ran = await forgotten_lanes.ran(db, rpc, chain_id, vault)
    return Behind({}, ran, pending, await _elsewhere(db, rpc, chain_id, vault))


async def _elsewhere(db: Database, rpc: Caller, chain_id: int, vault: Address) -> str | None:
    """What may still pay, or paid, at another vault of the chain what is asked for anew at this one.

    After a restore alone: a request that the backup lacks names the vault of now, not the one that has it.
    """
    async with db.read() as conn:
        if await address_epochs.restored(conn) is None:
            return None
        others = sorted(at for on, at in await lanes.vaults(conn) if on == chain_id and at != vault)
    for at in others:
        pending = await forgotten_lanes.pending(db, rpc, chain_id, at)
        if pending is not None:
            return f"{ELSEWHERE}, {checksum(at)}: {pending.why()}"
        async with db.read() as conn:
            lanes_there = await lanes.open_of_vault(conn, chain_id, at)
        for name, why in (await behind(db, rpc, lanes_there)).items():
            return f"{ELSEWHERE}, {name}, is behind: {why}"
    return None


async def behind(db: Database, rpc: Caller, lanes_there: Sequence[Lane]) -> dict[str, str]:
    """What the chain knows of some lanes of one vault and their rows do not, by the lanes' names.

    The chain is asked first: what a lane that is worked has sent by then is in rows by then. Raises: as
    `look`.
    """
    found: dict[str, str] = {}
    for first in range(0, len(lanes_there), LANES_AT_ONCE):
        found |= await _behind(db, rpc, lanes_there[first : first + LANES_AT_ONCE])
    return found


async def _behind(db: Database, rpc: Caller, some: Sequence[Lane]) -> dict[str, str]:
    chain_id, vault = some[0].chain_id, some[0].vault
    async with db.read() as conn:
        final = await final_block(conn, chain_id)
    wallets, numbers = [lane.wallet for lane in some], [lane.lane for lane in some]

    async def ask(node: Caller) -> list[Seen]:
        heads_there = await vault_calls.heads(node, vault, numbers)
        return [*map(Seen, await nonces.highest(node, wallets), heads_there)]

    told = await _seen(rpc, final, ask)
    moved = {
        lane.wallet
        for _, seen in told
        for lane, each in zip(some, seen, strict=True)
        if each.head != lane.head
    }
    async with db.read() as conn:
        led_to = {wallet: await _led_to(conn, chain_id, wallet) for wallet in moved}
        now = {lane.name: lane for lane in await lanes.open_of_vault(conn, chain_id, vault)}
    found: dict[str, str] = {}
    for node, seen in told:
        for lane, each in zip(some, seen, strict=True):
            known = now.get(lane.name, lane)
            rows = Rows(known.next_nonce, frozenset({lane.head, known.head, *led_to.get(lane.wallet, ())}))
            if (why := unknown_to_rows(rows, each)) is not None:
                found.setdefault(lane.name, f"{why} (says {node})")
    return found


async def _service_behind(db: Database, rpc: Caller, chain_id: int, wallet: Address) -> str | None:
    async with db.read() as conn:
        final = await final_block(conn, chain_id)

    async def ask(node: Caller) -> int:
        [counted] = await nonces.highest(node, [wallet])
        return counted

    told = await _seen(rpc, final, ask)
    async with db.read() as conn:
        known = await lanes.wallet_at(conn, chain_id, wallet)
    assert known is not None, "the lane's wallet is known"
    rows = Rows(known.next_nonce, frozenset())
    for node, counted in told:
        if (why := unknown_to_rows(rows, Seen(counted, None))) is not None:
            return f"{why} (says {node})"
    return None


async def _place(conn: Connection, chain_id: int, lane: str) -> Lane | None:
    """The lane's place in a vault; None for a service wallet's."""
    try:
        return await lanes.get(conn, chain_id, lane)
    except NotFound:
        return None


async def _given(conn: Connection, chain_id: int, wallet: Address, epoch: int) -> Given:
    known = await lanes.wallet_at(conn, chain_id, wallet)
    assert known is not None, "the lane's wallet is known"
    signed = await attempts.signed_up_to(conn, chain_id, wallet, below=known.next_nonce)
    return Given(known.next_nonce, signed, epoch)


async def _led_to(conn: Connection, chain_id: int, wallet: Address) -> set[Hash]:
    """The heads to which the wallet's unfinished batches lead."""
    return {
        (await submitted_batch.load(conn, slot)).call().next_head()
        for slot in await slots.unfinished(conn, chain_id, wallet)
        if slot.kind is SlotKind.PAY
    }


async def _seen(
    rpc: Caller, final: BlockRef, look_there: Callable[[Caller], Awaitable[T]]
) -> list[tuple[str, T]]:  # fmt: skip
    """What each node says that has our final block, by its name."""

    async def ask(node: Caller) -> list[T]:
        header = await heads.by_number(node, final.number)
        return [await look_there(node)] if header is not None and header.hash == final.hash else []

    told = await rpc.everyone(ask)
    found = [(node, each) for node, seen in told if not isinstance(seen, BasculeError) for each in seen]
    if not found:
        failed = next((str(each) for _, each in told if isinstance(each, BasculeError)), "none has it")
        raise Retryable(f"no node shows the lane at our final block {final.number}: {failed}")
    return found
