"""A local chain for one test: blocks come when the test mines, time moves when the test moves it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from bascule.chain.abi import artifact
from bascule.chain.errors import RpcError
from bascule.chain.rpc import Rpc
from bascule.domain.chain import Address, checksum, parse_address
from bascule.domain.money import Asset, parse_amount
from bascule.entrypoints.dev.ground import Ground, cast
from bascule.entrypoints.dev.wallet import Wallet, hexed
from bascule.entrypoints.devchain.accounts import DevAccount
from bascule.entrypoints.devchain.node import DEFAULT_CHAIN_ID, DevChain
from bascule.entrypoints.testing.background import Background
from bascule.entrypoints.testing.clock import TestClock
from bascule.entrypoints.testing.contracts import calldata, init_code

USDC, ETH = "usdc", "eth"
WEI_DECIMALS = 18
DEPLOY_GAS = 5_000_000
NOBODY = Address(b"")  # a transaction to nobody makes a contract


@dataclass(frozen=True, slots=True)
class Opened:
    """What stands in the loop behind a `Chain`."""

    dev: DevChain
    rpc: Rpc


@asynccontextmanager
async def opened(folder: Path, clock: TestClock, *, stored: Path | None = None) -> AsyncIterator[Opened]:
    """A chain on a free port that keeps its blocks in `folder`; `stored` is a folder to start from."""
    if stored is not None:
        shutil.copytree(stored, folder)
    async with DevChain(data_dir=folder, clock=clock.seconds) as dev, aiohttp.ClientSession() as session:
        clock.reach(dev.chain.index.head.time)
        yield Opened(dev, Rpc(dev.url, session=session, guard=lambda: None))


class Chain:
    """A real EVM behind JSON-RPC at `url`: chain id 31337, contracts at the same addresses every time.

    `accounts` are funded with test USDC and ether. Amounts are decimal strings with a point, as in the API;
    a token is "usdc", "eth" (the native coin) or a contract's address. Nothing is mined by itself.
    """

    chain_id = DEFAULT_CHAIN_ID

    def __init__(self, background: Background, clock: TestClock, inside: Opened, ground: Ground) -> None:
        self.background, self.node, self._dev = background, inside.rpc, inside.dev
        self.clock = clock
        self.url: str = inside.dev.url
        self.accounts: tuple[DevAccount, ...] = tuple(cast().customers)
        self.deployer: DevAccount = cast().deployer
        self.usdc: str = checksum(ground.token)
        self.vault: str = checksum(ground.vault)
        self.deposit_factory: str = checksum(ground.deposit_factory)

    def rpc(self, method: str, *params: object) -> Any:
        """The result of any JSON-RPC method. Raises: bascule.chain.errors.RpcError with the node's words."""
        return self.background.run(self.node.call(method, *params))

    @property
    def head(self) -> int:
        """The number of the newest block."""
        return self._dev.chain.index.head.number

    def mine(self, blocks: int = 1) -> int:
        """Mines; the first block takes what waits. Returns the new head's number."""
        self.background.run(self._dev.mine(blocks))
        self.catch_up()
        return self.head

    def finalize(self) -> int:
        """Mines until the transactions that wait now are final. Returns the new head's number."""
        return self.mine(1 + self._dev.chain.distances["finalized"])

    def advance(self, seconds: int) -> None:
        """Time moves on for this chain and the bridge on it, and a block is mined at the new time."""
        self.clock.advance(seconds)
        self.mine()

    def reorg(self, depth: int = 1, drop: Collection[str] = ()) -> int:
        """Replaces the last `depth` blocks by one more; returns the new head's number.

        The first `depth` of them are empty, the last holds the transactions that were in the replaced ones,
        without those in `drop` (hashes), which are gone for good.
        """
        self.background.run(self._dev.reorg(depth, drop))
        self.catch_up()
        return self.head

    def set_finality(self, *, safe: int, finalized: int) -> None:
        """How many blocks the tags stay behind the head (at first 2 and 4)."""
        self.rpc("bascule_setFinality", {"safe": safe, "finalized": finalized})

    def set_fault(self, kind: str, **fields: object) -> Any:
        """The node misbehaves in this way from now on; docs/testing/faults.md lists the kinds."""
        return self.rpc("bascule_setFault", {"kind": kind, **fields})

    def clear_faults(self) -> None:
        """The node behaves again."""
        self.rpc("bascule_clearFaults")

    def pay(self, address: str, token: str, amount: str, *, payer: int = 0) -> str:
        """Offers a transfer from `accounts[payer]`; the next block carries it. Returns its hash."""
        key = self.accounts[payer].private_key
        return self.background.run(self._transfer(key, parse_address(address), token, amount))

    def faucet(self, address: str, amount: str = "1000.00", token: str = USDC) -> None:
        """Gives money to an address: new test USDC, or ether of the deployer's. Mines one block."""
        self.background.run(self._give(parse_address(address), amount, token))
        self.mine()

    def balance(self, address: str, token: str = USDC) -> Decimal:
        """What an address holds at the head, in whole tokens."""
        return self.background.run(self._balance(parse_address(address), token))

    def deploy(self, compiled: Mapping[str, Any], *arguments: object) -> str:
        """Puts a contract of yours on the chain and mines one block; returns its address.

        compiled: `abi` and `bytecode` (0x-hex), as compilers write them. Raises: ValueError when it reverts.
        """
        tx_hash = self.background.run(self._deploy(compiled, arguments))
        self.mine()
        receipt = self.rpc("eth_getTransactionReceipt", tx_hash)
        if receipt is None or receipt["status"] != "0x1":
            raise ValueError(f"the deployment {tx_hash} reverted; are the constructor's arguments right?")
        return checksum(parse_address(receipt["contractAddress"]))

    def send(self, contract: str, compiled: Mapping[str, Any], method: str, *arguments: object) -> str:
        """Offers a call of a contract of yours by the account that deployed it. Returns its hash."""
        return self.background.run(self._send(parse_address(contract), compiled, method, arguments))

    def catch_up(self) -> None:
        """The clock is not behind the head: blocks mined in a row, or by others, run ahead of the machine."""
        self.clock.reach(self._dev.chain.index.head.time)

    def _wallet(self, private_key: str) -> Wallet:
        """New each time: a reorg may have taken back what an older one counted."""
        return Wallet(self.node, self.chain_id, private_key)

    async def _transfer(self, key: str, to: Address, token: str, amount: str) -> str:
        units = await self._units(token, amount)
        if token == ETH:
            return await self._wallet(key).send(to, value=units, gas=21_000)
        return await self._wallet(key).transfer(self._contract(token), to, units)

    async def _give(self, to: Address, amount: str, token: str) -> str:
        if token == ETH:
            return await self._transfer(self.deployer.private_key, to, token, amount)
        if self._contract(token) != parse_address(self.usdc):
            raise ValueError("the faucet has usdc and eth; mint your own token by its own method")
        units = await self._units(token, amount)
        data = artifact("TestDollar").calldata("mint", bytes(to), units)
        return await self._wallet(self.deployer.private_key).send(parse_address(self.usdc), data)

    async def _balance(self, holder: Address, token: str) -> Decimal:
        if token == ETH:
            held = int(await self.node.call("eth_getBalance", hexed(holder), "latest"), 16)
        else:
            held = await self._ask(token, "balanceOf", bytes(holder))
        return Decimal(held).scaleb(-await self._decimals(token))

    async def _units(self, token: str, amount: str) -> int:
        decimals = await self._decimals(token)
        asset = Asset(self.chain_id, Address(bytes(20)), token, decimals)
        return parse_amount(amount, token, max_decimals=WEI_DECIMALS).to_token(asset).units

    async def _decimals(self, token: str) -> int:
        return WEI_DECIMALS if token == ETH else await self._ask(token, "decimals")

    async def _ask(self, token: str, method: str, *arguments: object) -> int:
        """The one word a token answers. Raises: ValueError where there is no such token."""
        data = hexed(artifact("TestDollar").calldata(method, *arguments))
        try:
            answer = await self.node.call(
                "eth_call", {"to": hexed(self._contract(token)), "data": data}, "latest"
            )
        except RpcError as error:
            raise ValueError(f"{token} does not answer {method}: {error}") from None
        if len(answer) != 66:
            raise ValueError(f"there is no token at {token}")
        return int(answer, 16)

    async def _deploy(self, compiled: Mapping[str, Any], arguments: tuple[object, ...]) -> str:
        code = init_code(compiled["abi"], str(compiled["bytecode"]), arguments)
        return await self._wallet(self.deployer.private_key).send(NOBODY, code, gas=DEPLOY_GAS)

    async def _send(
        self, contract: Address, compiled: Mapping[str, Any], method: str, arguments: tuple[object, ...]
    ) -> str:
        data = calldata(compiled["abi"], method, arguments)
        return await self._wallet(self.deployer.private_key).send(contract, data, gas=DEPLOY_GAS)

    def _contract(self, token: str) -> Address:
        return parse_address(self.usdc if token == USDC else token)
