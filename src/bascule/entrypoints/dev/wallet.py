"""A key that sends transactions over JSON-RPC: customers, deployers and treasuries of development chains.

Never the signer's keys: those belong to `bascule.signing`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from bascule.chain.abi import artifact
from bascule.chain.caller import Caller
from bascule.chain.errors import NodeSays, RpcError
from bascule.domain.chain import Address
from bascule.domain.errors import Halted, Retryable
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints

GWEI = 10**9
RECEIPT_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Mined:
    """Where a transaction landed."""

    hash: str
    block_number: int
    block_hash: str
    succeeded: bool


class Wallet:
    """One account of a development chain. Not for two tasks at once: it counts its own nonces."""

    def __init__(
        self, rpc: Caller, chain_id: int, private_key: str, failpoints: Failpoints = NO_FAILPOINTS
    ) -> None:
        from eth_account import Account

        self._rpc = rpc
        self._chain_id = chain_id
        self._failpoints = failpoints
        self._account: Any = Account.from_key(private_key)
        self.address = Address(bytes.fromhex(self._account.address[2:]))
        self._nonce: int | None = None

    async def settled(self, *, within: float = 30.0) -> None:
        """Returns when nothing of this wallet waits to be mined. Raises: Retryable after `within` seconds."""
        deadline = asyncio.get_running_loop().time() + within
        while len({await self._count(tag) for tag in ("latest", "pending")}) > 1:
            if asyncio.get_running_loop().time() > deadline:
                raise Retryable(f"transactions of {hexed(self.address)} were not mined within {within:.0f} s")
            await asyncio.sleep(RECEIPT_POLL_S)

    async def _count(self, tag: str) -> int:
        return int(await self._rpc.call("eth_getTransactionCount", hexed(self.address), tag), 16)

    async def send(self, to: Address, data: bytes = b"", *, value: int = 0, gas: int = 200_000) -> str:
        """Sends a transaction and returns its hash (0x-hex). value: wei. Raises as `Caller.call`."""
        return await self.offer(await self.sign(to, data, value=value, gas=gas))

    async def sign(self, to: Address, data: bytes = b"", *, value: int = 0, gas: int = 200_000) -> str:
        """A signed transaction (0x-hex) with the wallet's next nonce, not sent yet."""
        if self._nonce is None:
            self._nonce = await self._count("pending")
        head = await self._rpc.call("eth_getBlockByNumber", "latest", False)
        base_fee = int(head.get("baseFeePerGas") or "0x0", 16)
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": self._chain_id,
                "nonce": self._nonce,
                "to": bytes(to),
                "value": value,
                "data": data,
                "gas": gas,
                "maxPriorityFeePerGas": GWEI,
                "maxFeePerGas": 4 * base_fee + 2 * GWEI,
            }
        )
        self._nonce += 1
        return "0x" + bytes(signed.raw_transaction).hex()

    async def offer(self, raw: str) -> str:
        """Sends signed bytes, perhaps again, and returns their hash (0x-hex)."""
        from bascule.domain.hashing import keccak

        self._failpoints.hit("setup.before_send")
        try:
            await self._rpc.call("eth_sendRawTransaction", raw)
        except RpcError as error:
            if error.says is not NodeSays.ALREADY_KNOWN:
                raise
        self._failpoints.hit("setup.after_send")
        return "0x" + keccak(bytes.fromhex(raw[2:])).hex()

    async def transfer(self, token: Address, to: Address, amount: int) -> str:
        """Sends base units of an ERC-20 token and returns the transaction's hash."""
        return await self.send(token, artifact("TestDollar").calldata("transfer", bytes(to), amount))


async def receipt(rpc: Caller, tx_hash: str, *, within: float = 30.0) -> Mined:
    """The receipt, as soon as there is one. Raises: Retryable after `within` seconds, Halted on a revert."""
    deadline = asyncio.get_running_loop().time() + within
    while (found := await rpc.call("eth_getTransactionReceipt", tx_hash)) is None:
        if asyncio.get_running_loop().time() > deadline:
            raise Retryable(f"transaction {tx_hash} was not mined within {within:.0f} s")
        await asyncio.sleep(RECEIPT_POLL_S)
    mined = Mined(tx_hash, int(found["blockNumber"], 16), found["blockHash"], int(found["status"], 16) == 1)
    if not mined.succeeded:
        raise Halted(f"transaction {tx_hash} reverted in block {mined.block_number}")
    return mined


async def balance_of(rpc: Caller, token: Address, holder: Address, block: str = "latest") -> int:
    """Base units of an ERC-20 token at an address."""
    call = {"to": hexed(token), "data": hexed(artifact("TestDollar").calldata("balanceOf", bytes(holder)))}
    return int(await rpc.call("eth_call", call, block), 16)


def hexed(value: bytes) -> str:
    """0x and the digits."""
    return "0x" + bytes(value).hex()
