"""The local chain by itself, in one process: for wallets, scripts and tests that bring their own bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bascule.chain.rpc import Rpc
from bascule.domain.chain import Address, checksum
from bascule.entrypoints.dev import ground
from bascule.entrypoints.devchain.accounts import DevAccount, dev_accounts
from bascule.entrypoints.devchain.node import DevChain
from bascule.entrypoints.devchain.store import discard
from bascule.entrypoints.ports import held
from bascule.entrypoints.schedule import stop_on_signals


@dataclass(frozen=True, slots=True)
class Options:
    """What `bascule chain` was asked for. block_time: seconds, 0 mines each transaction at once."""

    host: str
    port: int
    block_time: float
    data_dir: Path | None
    fresh: bool
    safe: int
    finalized: int


def serve(options: Options, ready: Callable[[dict[str, Any]], None]) -> None:
    """Serves until SIGINT or SIGTERM; `ready` is told where all is. Raises: PortRefused, DataDirError."""
    if options.fresh and options.data_dir is not None:
        discard(options.data_dir)
    with held(options.host, options.port) as port:
        asyncio.run(_serve(options, port, ready))


async def _serve(options: Options, port: int, ready: Callable[[dict[str, Any]], None]) -> None:
    stop = stop_on_signals()
    chain = DevChain(
        host=options.host,
        port=port,
        data_dir=options.data_dir,
        safe=options.safe,
        finalized=options.finalized,
    )
    async with chain, aiohttp.ClientSession() as session:
        rpc = Rpc(chain.url, session=session, guard=lambda: None)
        # the last of the well-known accounts stands in for the signer's wallet, which is not here
        operator = Address(bytes.fromhex(dev_accounts()[-1].address[2:]))
        laid = await ground.lay_at_once(chain, rpc, operator)
        if options.block_time:
            await chain.mine_every(options.block_time)
        else:
            await rpc.call("evm_setAutomine", True)
        ready(_facts(chain, laid, options))
        await stop.wait()


def _facts(chain: DevChain, laid: ground.Ground, options: Options) -> dict[str, Any]:
    """The fields of the ready line, in its order."""
    return {
        "event": "ready",
        "rpc_url": chain.url,
        "chain_id": chain.chain_id,
        "block_time": options.block_time,
        "safe": options.safe,
        "finalized": options.finalized,
        "data_dir": None if options.data_dir is None else str(options.data_dir),
        "contracts": {
            "USDC": checksum(laid.token),
            "PayoutVault": checksum(laid.vault),
            "DepositFactory": checksum(laid.deposit_factory),
        },
        "deployer": _account(ground.cast().deployer),
        "funded_accounts": [_account(each) for each in ground.cast().customers],
    }


def _account(account: DevAccount) -> dict[str, str]:
    return {"address": account.address, "private_key": account.private_key}
