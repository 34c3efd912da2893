"""The look around before a lane is worked: vault, wallet and signer against the rows.

Asked at the first turn under a lease's epoch, and at each turn after that while something does not match.
"""

from __future__ import annotations

from collections.abc import Sequence

from bascule.chain import heads, nonces, vault_history
from bascule.chain import vault as vault_calls
from bascule.chain.caller import Caller
from bascule.domain.chain import Address, BlockRef, Hash
from bascule.domain.errors import BasculeError, Halted, NotFound, Retryable
from bascule.domain.lane_opening import Marks, Rows, Seen, unknown_to_rows, unlike_signer
from bascule.domain.slot import SlotKind
from bascule.services import submitted_batch
from bascule.services.signing_intents import MarksOf, SignerPort, SignerRefused
from bascule.storage import attempts, blocks, gas, lanes, networks, slots
from bascule.storage.database import Connection, Database
from bascule.storage.lanes import Lane
from bascule.storage.leases import Lease

BESIDE = "another lane of its vault"  # how the reason begins that is no fault of the lane itself


class LaneClosed(Halted):
    """Chain or signer knows what these rows do not; nothing is reserved or signed."""

    def __init__(self, lane: str, why: str) -> None:
        super().__init__(f"lane {lane} is closed: {why}; run `bascule restore check`")


async def look(
    db: Database, rpc: Caller, signer: SignerPort, chain_id: int, lane: str, wallet: Address, lease: Lease
) -> str | None:
    """Why the lane must stay closed; None when it may be worked.

    Every node that has our final block is heard, and one that contradicts the rows is enough. A lane waits
    for the others of its vault: what one of them paid and the rows forgot is not paid again by any.
    Raises: Retryable when nobody can be asked.
    """
    async with db.read() as conn:
        place = await _place(conn, chain_id, lane)
        rows = await _rows(conn, chain_id, place, wallet, lease.epoch)
        final = await _final(conn, chain_id)
        beside = (
            [] if place is None else [each for each in await lanes.every_open(conn) if _beside(each, place)]
        )
    try:
        marks = await signer.marks(MarksOf(chain_id, wallet))
    except SignerRefused as refusal:
        return f"the signer refuses the wallet: {refusal.message}"
    if (why := unlike_signer(rows, Marks(marks.epoch, marks.nonce))) is not None:
        return why
    if (why := _unlike_chain(rows, await _seen(rpc, place, wallet, final))) is not None:
        return why
    for other in beside:
        if (why := await look_at_chain(db, rpc, other)) is not None:
            return f"{BESIDE}, {other.name}, is behind: {why}"
    if place is not None:
        for number in sorted(await forgotten(db, rpc, chain_id, place.vault)):
            return f"{BESIDE}, number {number}, is in no row and has paid"
    return None


async def forgotten(db: Database, rpc: Caller, chain_id: int, vault: Address) -> dict[int, Address]:
    """The vault's lanes that ran a batch and are in no row, opened after the backup; and who sent it.

    Looked for from the block at which a lane of the vault was worked last, as its wallet was seen there: what
    a backup forgot came later, and no lane is worked before this was asked. Where none ever was, from where
    we began on the chain. Raises: Retryable when no node answers.
    """
    async with db.read() as conn:
        known = await lanes.of_vault(conn, chain_id, vault)
        worked = await gas.worked_up_to(conn, chain_id, vault)
        began = await began_at(conn, chain_id)
        final = await _final(conn, chain_id)
    first = min(began if worked is None else worked, final.number)

    async def ask(node: Caller) -> dict[int, Address]:
        last = (await heads.latest(node)).number
        if last < first:
            raise Retryable(f"its newest block is {last}")
        return await vault_history.lanes_that_ran(node, vault, known, first=first, last=last)

    told = await rpc.everyone(ask)
    found = [each for _, each in told if not isinstance(each, BasculeError)]
    if not found:
        failed = next((str(each) for _, each in told), "none can be asked")
        raise Retryable(f"no node shows which lanes of the vault ran since block {first}: {failed}")
    return {number: wallet for each in found for number, wallet in each.items()}


async def began_at(conn: Connection, chain_id: int) -> int:
    """The block from which we are on a chain: its network's first, else the first that was read."""
    network = await networks.get(conn, chain_id)
    return (network and network.start_block) or await blocks.first(conn, chain_id) or 0


async def look_at_chain(db: Database, rpc: Caller, lane: Lane) -> str | None:
    """As `look`, of one lane of a vault and without the signer's word.

    The chain is asked first: what a lane that is worked has sent by then is in rows by then.
    """
    async with db.read() as conn:
        final = await _final(conn, lane.chain_id)
    seen = await _seen(rpc, lane, lane.wallet, final)
    async with db.read() as conn:
        lane = await lanes.get(conn, lane.chain_id, lane.name)
        return _unlike_chain(await _rows(conn, lane.chain_id, lane, lane.wallet, 0), seen)


def _beside(other: Lane, place: Lane) -> bool:
    return other.lane != place.lane and (other.chain_id, other.vault) == (place.chain_id, place.vault)


def _unlike_chain(rows: Rows, seen: Sequence[tuple[str, Seen]]) -> str | None:
    for node, each in seen:
        if (why := unknown_to_rows(rows, each)) is not None:
            return f"{why} (says {node})"
    return None


async def _place(conn: Connection, chain_id: int, lane: str) -> Lane | None:
    """The lane's place in a vault; None for a service wallet's."""
    try:
        return await lanes.get(conn, chain_id, lane)
    except NotFound:
        return None


async def _rows(
    conn: Connection, chain_id: int, place: Lane | None, wallet: Address, epoch: int
) -> Rows:  # fmt: skip
    known = await lanes.wallet_at(conn, chain_id, wallet)
    assert known is not None, "the lane's wallet is known"
    possible: set[Hash] = set()
    if place is not None:
        possible.add(place.head)
        for slot in await slots.unfinished(conn, chain_id, wallet):
            if slot.kind is SlotKind.PAY:
                possible.add((await submitted_batch.load(conn, slot)).call().next_head())
    signed = await attempts.signed_up_to(conn, chain_id, wallet, below=known.next_nonce)
    return Rows(known.next_nonce, signed, epoch, frozenset(possible))


async def _final(conn: Connection, chain_id: int) -> BlockRef:
    cursor = await blocks.cursor(conn, chain_id)
    found = None if cursor is None else await blocks.canonical_at(conn, chain_id, cursor.finalized_number)
    if found is None:
        raise Retryable(f"no block of chain {chain_id} is final yet, so no lane can be compared with it")
    return found


async def _seen(rpc: Caller, place: Lane | None, wallet: Address, final: BlockRef) -> list[tuple[str, Seen]]:
    async def ask(node: Caller) -> Seen | None:
        header = await heads.by_number(node, final.number)
        if header is None or header.hash != final.hash:
            return None
        counted = max([await nonces.count(node, wallet, tag) for tag in ("latest", "pending")])
        head = None if place is None else (await vault_calls.lane(node, place.vault, place.lane))[1]
        return Seen(counted, head)

    told = await rpc.everyone(ask)
    found = [(node, each) for node, each in told if isinstance(each, Seen)]
    if not found:
        failed = next((str(each) for _, each in told if isinstance(each, BasculeError)), "none has it")
        raise Retryable(f"no node shows the lane at our final block {final.number}: {failed}")
    return found
