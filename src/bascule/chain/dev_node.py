"""The controls of development nodes: our local chain has all of them, anvil some; real nodes have none.

Words of anvil: https://getfoundry.sh/anvil/reference (custom methods).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bascule.chain.caller import Caller
from bascule.chain.errors import NodeSays, RpcError
from bascule.chain.hexes import number
from bascule.domain.chain import Hash, hex32
from bascule.domain.errors import Rejected

# A method and its parameters.
Way = tuple[Any, ...]


class Refused(Rejected):
    """A node's refusal as the caller's own affair. data: which of several things it means, if it says so."""

    def __init__(self, error: RpcError) -> None:
        super().__init__("node_refused", f"The node refuses {error.method}: {error.message:.200}.")
        self.data = error.data


class DevNode:
    """One development node. Every method raises Rejected where the node has no such control or refuses it."""

    def __init__(self, rpc: Caller) -> None:
        self.rpc = rpc

    async def mine(self, blocks: int) -> None:
        """Mines so many blocks now."""
        await self._control(("evm_mine", {"blocks": blocks, "timestamp": None}))

    async def reorg(self, depth: int, drop: Sequence[Hash]) -> None:
        """Replaces the last `depth` blocks; what they held comes back, without the transactions in `drop`.

        Raises: Refused, naming in its data the first of `drop` that is not there.
        """
        await self._control(("bascule_reorg", {"depth": depth, "drop": [hex32(each) for each in drop]}))

    async def drop(self, tx_hash: Hash) -> bool:
        """Makes the pool forget a waiting transaction; False when none of this hash waits."""
        wanted = hex32(tx_hash)
        ways = ("bascule_dropTransaction", wanted), ("anvil_dropTransaction", wanted)
        return await self._control(*ways) is not None

    async def next_base_fee(self) -> int:
        """Wei per gas in the block to come."""
        history = await self._ask("eth_feeHistory", "0x1", "latest", [])
        return number(history["baseFeePerGas"][-1], method="eth_feeHistory")

    async def set_base_fee(self, base_fee: int, blocks: int) -> None:
        """Makes gas cost that many wei in the next `blocks` blocks; anvil knows the next one alone."""
        ours: Way = "bascule_setBaseFee", {"baseFee": hex(base_fee), "blocks": hex(blocks)}
        anvils: Way = "anvil_setNextBlockBaseFeePerGas", hex(base_fee)
        await self._control(*((ours, anvils) if blocks == 1 else (ours,)))

    async def set_fault(self, specification: Mapping[str, Any]) -> int:
        """Makes the node misbehave towards everybody; the fault's number."""
        return int((await self._control(("bascule_setFault", specification)))["id"])

    async def faults(self) -> list[dict[str, Any]]:
        """The faults that are set, with what they hit."""
        return list(await self._control(("bascule_faults",)))

    async def clear_faults(self, ids: Sequence[int]) -> None:
        """Ends these faults."""
        await self._control(("bascule_clearFaults", list(ids)))

    async def head(self) -> Mapping[str, Any]:
        """The newest block, as JSON-RPC shows it."""
        block: Mapping[str, Any] = await self._ask("eth_getBlockByNumber", "latest", False)
        return block

    async def _control(self, *ways: Way) -> Any:
        """The answer of the first way that the node knows; no fault ever bends a control."""
        for method, *params in ways:
            try:
                return await self.rpc.call(method, *params)
            except RpcError as error:
                if error.says is not NodeSays.METHOD_MISSING:
                    raise refused(error) from None
        raise Rejected(
            "control_unsupported",
            f"This network's node has no {ways[0][0]}.",
            next_step="Use the local chain of bascule dev; docs/api/sandbox.md lists what other nodes can.",
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
    return Refused(error)
