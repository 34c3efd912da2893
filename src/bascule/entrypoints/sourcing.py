"""Treasury sources: outside addresses whose money at vault or collector is the operator's capital."""

from __future__ import annotations

from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Conflict
from bascule.storage import addresses, audit
from bascule.storage.database import Connection


async def add(conn: Connection, chain_id: int, address: Address, label: str) -> bool:
    """What comes from there is capital from now on; False when it was before. conn: under the owner's login.

    Raises: Conflict when the address is ours: what moves between ours is no capital.
    """
    known = [
        (row["chain_id"], Address(bytes(row["address"]))) for row in await addresses.treasury_sources(conn)
    ]
    if (chain_id, address) in known:
        return False
    if address in await addresses.own(conn, chain_id) or await addresses.is_ours(conn, chain_id, address):
        raise Conflict(
            "source_is_ours",
            f"{checksum(address)} is ours already on chain {chain_id}",
            next_step="name the address outside that capital comes from, such as the owners' Safe",
        )
    await addresses.add_treasury_source(conn, chain_id, address, label)
    told = {"address": checksum(address), "label": label}
    await audit.append(
        conn, actor="cli", action="treasury_source.add", object_id=str(chain_id), details=told
    )  # fmt: skip
    return True
