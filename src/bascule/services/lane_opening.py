"""The look around before a lane is worked: vault, wallet and signer against the rows.

Asked at the first turn under a lease's epoch, and at each turn after that while something does not match.
"""

from __future__ import annotations

from bascule.chain import heads, nonces
from bascule.chain import vault as vault_calls
from bascule.chain.caller import Caller
from bascule.domain.chain import Address, BlockRef, Hash
from bascule.domain.errors import BasculeError, Halted, NotFound, Retryable
from bascule.domain.lane_opening import Marks, Rows, Seen, unknown_to_rows, unlike_signer
from bascule.domain.slot import SlotKind
from bascule.services import submitted_batch
from bascule.services.signing_intents import MarksOf, SignerPort, SignerRefused
from bascule.storage import attempts, blocks, lanes, slots
from bascule.storage.database import Connection, Database
from bascule.storage.lanes import Lane
from bascule.storage.leases import Lease


class LaneClosed(Halted):
    """Chain or signer knows what these rows do not; nothing is reserved or signed."""

    def __init__(self, lane: str, why: str) -> None:
        super().__init__(f"lane {lane} is closed: {why}; run `bascule restore lanes`")


async def look(
    db: Database, rpc: Caller, signer: SignerPort, chain_id: int, lane: str, wallet: Address, lease: Lease
) -> str | None:
    """Why the lane must stay closed; None when it may be worked.

    Every node that has our final block is heard, and one that contradicts the rows is enough.
    Raises: Retryable when nobody can be asked.
    """
    async with db.read() as conn:
        place = await _place(conn, chain_id, lane)
        rows = await _rows(conn, chain_id, place, wallet, lease)
        final = await _final(conn, chain_id)
    try:
        marks = await signer.marks(MarksOf(chain_id, wallet))
    except SignerRefused as refusal:
        return f"the signer refuses the wallet: {refusal.message}"
    if (why := unlike_signer(rows, Marks(marks.epoch, marks.nonce))) is not None:
        return why
    seen = await _seen(rpc, place, wallet, final)
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
    conn: Connection, chain_id: int, place: Lane | None, wallet: Address, lease: Lease
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
    return Rows(known.next_nonce, signed, lease.epoch, frozenset(possible))


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
