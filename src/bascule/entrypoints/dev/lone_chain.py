"""The local chain by itself, in one process: for wallets, scripts and tests that bring their own bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from bascule.chain.rpc import Rpc
from bascule.domain.chain import Address, checksum
from bascule.entrypoints.dev import ground
from bascule.entrypoints.devchain.accounts import dev_accounts
from bascule.entrypoints.devchain.node import DevChain
from bascule.entrypoints.ports import free_port
from bascule.entrypoints.schedule import stop_on_signals


def serve(
    host: str, port: int, block_time: float, data_dir: Path | None, ready: Callable[[dict[str, Any]], None]
) -> None:
    """Serves until SIGINT or SIGTERM; `ready` is told where everything is. Raises: PortRefused."""
    asyncio.run(_serve(host, free_port(host, port), block_time, data_dir, ready))


async def _serve(
    host: str, port: int, block_time: float, data_dir: Path | None, ready: Callable[[dict[str, Any]], None]
) -> None:
    stop = stop_on_signals()
    async with DevChain(host=host, port=port, data_dir=data_dir, block_time=block_time) as chain:
        async with aiohttp.ClientSession() as session:
            rpc = Rpc(chain.url, session=session, guard=lambda: None)
            # the last of the well-known accounts stands in for the signer's wallet, which is not here
            operator = Address(bytes.fromhex(dev_accounts()[-1].address[2:]))
            laid = await ground.lay(rpc, chain.chain_id, operator)
        ready(
            {
                "event": "ready",
                "rpc_url": chain.url,
                "chain_id": chain.chain_id,
                "contracts": {
                    "USDC": checksum(laid.token),
                    "PayoutVault": checksum(laid.vault),
                    "DepositFactory": checksum(laid.deposit_factory),
                },
                "funded_accounts": [
                    {"address": each.address, "private_key": each.private_key}
                    for each in ground.cast().customers
                ],
            }
        )
        await stop.wait()
