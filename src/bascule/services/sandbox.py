"""The sandbox: what a test may do to development chains through the API, never beside real money.

No transaction is open while a node is asked, and nothing here writes a row of money.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bascule.chain.caller import Caller
from bascule.chain.dev_node import DevNode, Refused
from bascule.domain.chain import Address, caip2, hex32, parse_hash
from bascule.domain.errors import Conflict, Forbidden, NotFound, Rejected
from bascule.services.intent_view import Catalog, catalog
from bascule.storage import overview
from bascule.storage.database import Connection, Database
from bascule.storage.networks import Network


class Purse(Protocol):
    """Accounts of development chains whose keys everybody knows. issuer: mints the test tokens.

    suspect: pays like the payers; what it sends is held, as it stands on the sandbox's sanctions list.
    """

    @property
    def payers(self) -> Sequence[Address]: ...

    @property
    def suspect(self) -> Address: ...

    @property
    def issuer(self) -> Address: ...

    async def send(
        self, rpc: Caller, chain_id: int, sender: Address, to: Address, data: bytes, value: int
    ) -> str:
        """Signs and sends with the sender's next nonce; the hash (0x-hex). Raises as `Caller.call`."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """A development network and its node."""

    network: Network
    node: DevNode

    @property
    def name(self) -> str:
        """Its CAIP-2 name."""
        return caip2(self.network.chain_id)


@dataclass(frozen=True)
class Sandbox:
    """nodes: by chain id, of development chains alone. Every use-case raises Forbidden beside a live key."""

    db: Database
    nodes: Mapping[int, DevNode]
    purse: Purse

    async def mine(self, place: Place, blocks: int) -> dict[str, Any]:
        """Blocks that would else come later."""
        await place.node.mine(blocks)
        return await _head(place)

    async def reorg(self, place: Place, depth: int, drop: Sequence[str]) -> dict[str, Any]:
        """Other blocks instead of the last ones. Raises: Rejected, with nothing changed."""
        hashes = [parse_hash(text, param=f"drop.{n}") for n, text in enumerate(drop)]
        try:
            await place.node.reorg(depth, hashes)
        except Refused as error:
            for n, tx_hash in enumerate(hashes):
                if error.data == hex32(tx_hash):
                    raise Rejected(
                        "transaction_not_there",
                        f"{hex32(tx_hash)} is in none of the last {depth} blocks, and does not wait.",
                        param=f"drop.{n}",
                        next_step="Raise depth to where it was mined; nothing has changed.",
                    ) from None
            raise
        return await _head(place)

    async def drop_tx(self, place: Place, tx_hash: str) -> dict[str, Any]:
        """A waiting transaction that the pool forgets. Raises: Conflict when it does not wait."""
        wanted = parse_hash(tx_hash, param="tx_hash")
        if not await place.node.drop(wanted):
            raise Conflict(
                "transaction_not_waiting",
                "No such transaction waits in the node's pool.",
                param="tx_hash",
                next_step="A mined one is taken back by chain/reorg, with its hash in drop.",
            )
        return {"object": "test_helpers.dropped_tx", "network": place.name, "tx_hash": hex32(wanted)}

    async def gas_spike(
        self, place: Place, *, factor: int | None, base_fee: int | None, blocks: int
    ) -> dict[str, Any]:
        """Gas that costs `base_fee` wei, or `factor` times as much as now, for some blocks."""
        if base_fee is None:
            if factor is None:
                raise Rejected("parameter_missing", "Give factor or base_fee.", param="factor")
            base_fee = factor * await place.node.next_base_fee()
        elif factor is not None:
            raise Rejected("parameter_invalid", "Give factor or base_fee, not both.", param="base_fee")
        await place.node.set_base_fee(base_fee, blocks)
        return {
            "object": "test_helpers.gas_spike",
            "network": place.name,
            "base_fee": str(base_fee),
            "blocks": blocks,
        }

    async def set_fault(self, place: Place, specification: Mapping[str, Any]) -> dict[str, Any]:
        """A node that misbehaves towards everybody, the bridge and this sandbox among them."""
        number = await place.node.set_fault(specification)
        return (await self._found(place, number))[0]

    async def faults(self, place: Place) -> list[dict[str, Any]]:
        """Every fault that is set."""
        return [_fault(place, each) for each in await place.node.faults()]

    async def clear_faults(self, place: Place, number: int | None) -> dict[str, Any]:
        """Ends one fault, or all. Raises: NotFound when there is none of this number."""
        found = await (self.faults(place) if number is None else self._found(place, number))
        ended = [fault["id"] for fault in found]
        await place.node.clear_faults(ended)
        return {"object": "test_helpers.cleared_faults", "network": place.name, "cleared": ended}

    async def pause_rpc(self, place: Place, seconds: float) -> dict[str, Any]:
        """A node that closes every connection without an answer for so long."""
        number = await place.node.set_fault({"kind": "drop", "for_seconds": seconds})
        return {
            "object": "test_helpers.paused_rpc",
            "network": place.name,
            "seconds": seconds,
            "fault": number,
        }

    async def _found(self, place: Place, number: int) -> list[dict[str, Any]]:
        found = [fault for fault in await self.faults(place) if fault["id"] == number]
        if not found:
            raise NotFound("resource_missing", f"No fault {number} is set.", param="id")
        return found

    async def place(self, livemode: bool, network: str | None) -> Place:
        """The development network that is meant; without a name, the only one. Raises: Rejected."""
        known = await self.known(livemode)
        if network is None:
            here = sorted(self.nodes.keys() & known.networks.keys())
            if len(here) != 1:
                raise Rejected("parameter_missing", "Name the network.", param="network")
            chain_id = here[0]
        else:
            chain_id = self.chain_id(known, network)
        return Place(known.networks[chain_id], self.nodes[chain_id])

    async def known(self, livemode: bool) -> Catalog:
        """Networks and tokens, for those who may be here. Raises: Forbidden."""
        async with self.db.read() as conn:
            await self.require_test(conn, livemode)
            return await catalog(conn)

    async def require_test(self, conn: Connection, livemode: bool) -> None:
        """Raises: Forbidden for a live key, and for every key once the installation has a live one."""
        if livemode:
            raise Forbidden(
                "sandbox_livemode", "Test helpers take test keys alone.", next_step="Use an sk_test_… key."
            )
        if await overview.live_keys(conn):
            raise Forbidden(
                "sandbox_beside_live_key",
                "This installation has a live key, so it has no sandbox any more.",
                next_step="Test in an installation without live keys, such as bascule dev.",
            )

    def chain_id(self, known: Catalog, text: str) -> int:
        """The development chain of this name. Raises: Rejected, Forbidden when it is another network's."""
        for network in known.networks.values():
            if text in (network.name, caip2(network.chain_id)):
                if network.chain_id in self.nodes and not network.livemode:
                    return network.chain_id
                raise Forbidden(
                    "sandbox_network_forbidden", f"{text:.70} is no development network.", param="network"
                )
        raise Rejected("network_unknown", f"No such network: {text!r:.70}.", param="network")


_COUNTED = ("id", "kind", "methods", "times", "calls", "hits", "spent")


def _fault(place: Place, listed: Mapping[str, Any]) -> dict[str, Any]:
    counted = {name: listed[name] for name in _COUNTED}
    others = {name: value for name, value in listed.items() if name not in _COUNTED}
    return {"object": "test_helpers.fault", "network": place.name, **counted, "parameters": others}


async def _head(place: Place) -> dict[str, Any]:
    head = await place.node.head()
    return {
        "object": "test_helpers.chain",
        "network": place.name,
        "block_number": int(head["number"], 16),
        "block_hash": head["hash"],
    }
