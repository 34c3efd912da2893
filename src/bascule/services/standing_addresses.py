"""Standing addresses: where an account is paid on a network without a payment intent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bascule.domain import forwarder
from bascule.domain.chain import Address, ChainId, caip2, checksum
from bascule.domain.errors import Conflict, Rejected
from bascule.services import restore
from bascule.services.seams import Clock
from bascule.storage import authorizations, networks, payment_intents, standing_addresses
from bascule.storage.database import Connection
from bascule.storage.networks import Network


@dataclass(frozen=True)
class StandingAddresses:
    """Use-cases on standing addresses. deposit_seed, deposit_epoch, log_seen: as of `Intents`."""

    clock: Clock
    deposit_seed: bytes
    deposit_epoch: int = 0
    log_seen: restore.LogSeen = field(default_factory=restore.LogSeen)

    async def make(
        self, conn: Connection, chain_id: ChainId, *, account_id: str, livemode: bool
    ) -> dict[str, Any]:
        """The account's address on the network, made when it has none. Raises: Rejected, Conflict."""
        network = await networks.get(conn, chain_id)
        if network is None or network.livemode != livemode:
            raise Rejected(
                "network_unknown", f"There is no network {caip2(chain_id)} in this mode.", param="network",
                next_step="GET /v1/networks lists them.",
            )  # fmt: skip
        await standing_addresses.serialize(conn, account_id)
        if await standing_addresses.of_account(conn, account_id, chain_id) is None:
            await self._bind(conn, network, account_id)
        return await self._describe(conn, network, account_id)

    async def _bind(self, conn: Connection, network: Network, account_id: str) -> None:
        await restore.require_checked(conn, self.deposit_epoch, self.log_seen)
        if network.deposit_factory is None:
            raise Conflict(
                "network_unexpected_state", f"Network {caip2(network.chain_id)} has no deposit addresses."
            )
        [n] = await payment_intents.next_address_numbers(conn, 1)
        salt = forwarder.salt(self.deposit_seed, self.deposit_epoch, n)
        code = network.forwarder or forwarder.implementation_address(network.deposit_factory)
        factory, chain_id = network.deposit_factory, network.chain_id
        address = forwarder.clone_address(factory, code, salt)
        await payment_intents.insert_standing(
            conn, account_id, chain_id, address, factory=factory, epoch=self.deposit_epoch, n=n
        )
        await standing_addresses.insert(conn, account_id, chain_id, address, self.clock.now())

    async def _describe(self, conn: Connection, network: Network, account_id: str) -> dict[str, Any]:
        found = await standing_addresses.of_account(conn, account_id, network.chain_id)
        assert found is not None, "it was made above"
        offers = [each for each in await authorizations.offers(conn) if each.chain_id == network.chain_id]
        return {
            "object": "standing_address",
            "network": caip2(network.chain_id),
            "address": checksum(found.address),
            "x402": [_requirements(each, found.address) for each in offers],
            "livemode": network.livemode,
            "created": int(found.created_at.timestamp()),
        }


def _requirements(offer: authorizations.Offer, pay_to: Address) -> dict[str, Any]:
    """What an x402 server says of a payment, but for the amount and how long it takes it."""
    return {
        "scheme": "exact",
        "network": caip2(offer.chain_id),
        "asset": checksum(offer.contract),
        "payTo": checksum(pay_to),
        "extra": {"name": offer.domain.name, "version": offer.domain.version},
    }
