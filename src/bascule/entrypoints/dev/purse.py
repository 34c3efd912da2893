"""The sandbox's purse: the well-known development accounts, whose keys are no secret and no money's."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from bascule.chain.caller import Caller
from bascule.domain.chain import Address
from bascule.entrypoints.dev.ground import cast
from bascule.entrypoints.dev.wallet import Wallet
from bascule.entrypoints.devchain.accounts import DevAccount

GAS = 150_000


class WellKnownPurse:
    """Pays from the customers of `bascule dev`; its deployer issued the test dollar."""

    def __init__(self) -> None:
        self._one_at_a_time: defaultdict[tuple[int, Address], asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def payers(self) -> Sequence[Address]:
        """Who has test money from the start."""
        return [_address(each) for each in cast().customers]

    @property
    def suspect(self) -> Address:
        """Who pays like them, and whose payments are held."""
        return _address(cast().suspect)

    @property
    def issuer(self) -> Address:
        """Who may mint."""
        return _address(cast().deployer)

    async def send(
        self, rpc: Caller, chain_id: int, sender: Address, to: Address, data: bytes, value: int
    ) -> str:
        """The nonce is asked for anew each time, as a reorg or a dropped transaction may have changed it."""
        part = cast()
        keys = {_address(each): each.private_key for each in (part.deployer, part.suspect, *part.customers)}
        async with self._one_at_a_time[chain_id, sender]:
            return await Wallet(rpc, chain_id, keys[sender]).send(to, data, value=value, gas=GAS)


def _address(account: DevAccount) -> Address:
    return Address(bytes.fromhex(account.address[2:]))
