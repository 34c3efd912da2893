"""The controls of development nodes: our local chain has all of them, anvil some; real nodes have none.

Words of anvil: https://getfoundry.sh/anvil/reference (custom methods).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bascule.chain.errors import NodeSays, RpcError
from bascule.chain.hexes import number
from bascule.chain.rpc import Rpc
from bascule.domain.chain import Hash, hex32
from bascule.domain.errors import Rejected

OURS, ANVIL = "bascule-devchain", "anvil"


class DevNode:
    """One development node. Every method raises Rejected where the node has no such control or refuses it."""

    def __init__(self, rpc: Rpc) -> None:
        self.rpc = rpc

    async def mine(self, blocks: int) -> None:
        """Mines so many blocks now."""
        if await self._kind("mine") == OURS:
            await self._ask("evm_mine", {"blocks": blocks})
        else:
            await self._ask("anvil_mine", hex(blocks))

    async def reorg(self, depth: int, drop: Sequence[Hash]) -> None:
        """Replaces the last `depth` blocks; what they held comes back, without the transactions in `drop`."""
        await self._kind("reorg", only_ours=True)
        await self._ask("bascule_reorg", {"depth": depth, "drop": [hex32(each) for each in drop]})

    async def drop(self, tx_hash: Hash) -> bool:
        """Makes the pool forget a waiting transaction; False when none of this hash waits."""
        ours = await self._kind("drop_tx") == OURS
        method = "bascule_dropTransaction" if ours else "anvil_dropTransaction"
        return await self._ask(method, hex32(tx_hash)) is not None

    async def next_base_fee(self) -> int:
        """Wei per gas in the block to come."""
        history = await self._ask("eth_feeHistory", "0x1", "latest", [])
        return number(history["baseFeePerGas"][-1], method="eth_feeHistory")

    async def set_base_fee(self, base_fee: int, blocks: int) -> None:
        """Makes gas cost that many wei in the next `blocks` blocks."""
        if await self._kind("gas_spike", only_ours=blocks > 1) == OURS:
            await self._ask("bascule_setBaseFee", {"baseFee": hex(base_fee), "blocks": hex(blocks)})
        else:
            await self._ask("anvil_setNextBlockBaseFeePerGas", hex(base_fee))

    async def head(self) -> Mapping[str, Any]:
        """The newest block, as JSON-RPC shows it."""
        block: Mapping[str, Any] = await self._ask("eth_getBlockByNumber", "latest", False)
        return block

    async def _kind(self, control: str, *, only_ours: bool = False) -> str:
        client = str(await self._ask("web3_clientVersion"))
        name = client.partition("/")[0].lower()
        if name == OURS or (name == ANVIL and not only_ours):
            return name
        raise Rejected(
            "control_unsupported",
            f"The node of this network ({client:.60}) cannot do {control} like this.",
            next_step="Use the local chain of bascule dev; for anvil, docs/api/sandbox.md lists what it can.",
        )

    async def _ask(self, method: str, *params: object) -> Any:
        try:
            return await self.rpc.call(method, *params)
        except RpcError as error:
            raise refused(error) from None


def refused(error: RpcError) -> Exception:
    """A node's refusal as the caller's own affair; one that passes by itself stays as it is."""
    if error.says is NodeSays.RATE_LIMITED:
        return error
    return Rejected("node_refused", f"The node refuses {error.method}: {error.message:.200}.")
