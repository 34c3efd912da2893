"""The sandbox of an installation: opened on development chains alone, refused beside anything live."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bascule.chain.dev_node import DevNode
from bascule.entrypoints.dev.purse import WellKnownPurse
from bascule.entrypoints.wiring import DEVELOPMENT_CHAINS, BadConfiguration, Settings, nodes
from bascule.services import sandbox_suspect
from bascule.services.compliance import Compliance
from bascule.services.outbox import Outbox
from bascule.services.sandbox import Sandbox
from bascule.services.seams import Clock, Entropy
from bascule.storage import networks, overview
from bascule.storage.database import Database


@asynccontextmanager
async def opened(
    settings: Settings, db: Database, clock: Clock, entropy: Entropy
) -> AsyncIterator[Sandbox | None]:
    """None where it is switched off. It holds no secret: everybody knows its accounts' keys."""
    if not settings.sandbox:
        yield None
        return
    await _refuse_beside_money(settings, db)
    async with nodes(settings, db.refuse_open_transaction) as rpcs:
        box = Sandbox(db, {chain_id: DevNode(rpc) for chain_id, rpc in rpcs.items()}, WellKnownPurse())
        await sandbox_suspect.stands_on_its_list(box, Compliance(clock, Outbox(clock, entropy)))
        yield box


async def _refuse_beside_money(settings: Settings, db: Database) -> None:
    """The sandbox moves money that is nobody's; it stands beside nothing that is somebody's."""
    if [chain.id for chain in settings.chains if chain.id not in DEVELOPMENT_CHAINS] or not settings.chains:
        raise BadConfiguration(
            "BASCULE_SANDBOX",
            "is for development chains alone",
            "unset it, or BASCULE_CHAINS=31337=http://127.0.0.1:8545",
        )
    async with db.read() as conn:
        live = await overview.live_keys(conn)
        real = [network.name for network in await networks.every(conn) if network.livemode]
    if live or real:
        beside = f"{live} live keys" if live else f"the live network {real[0]}"
        raise BadConfiguration("BASCULE_SANDBOX", f"is true beside {beside}", "BASCULE_SANDBOX=false")
