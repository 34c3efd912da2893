"""A local chain in the test's own process: blocks come when the test mines, signatures are real."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from eth_abi.abi import decode, encode
from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from bascule.entrypoints.devchain.accounts import DevAccount
from bascule.entrypoints.devchain.node import DevChain

ABI = Path(__file__).parents[2] / "abi"


class RpcFailure(Exception):
    """The node answered with an error object."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: str | None = error.get("data")


class LocalNode:
    """A started DevChain and a plain JSON-RPC client of it."""

    def __init__(self, dev: DevChain, session: aiohttp.ClientSession) -> None:
        self.dev = dev
        self.url = dev.url
        self.accounts: tuple[DevAccount, ...] = dev.accounts
        self.session = session

    async def post(self, body: Any) -> Any:
        """Sends a JSON body as it is and returns the decoded answer."""
        async with self.session.post(self.url, json=body) as response:
            return await response.json()

    async def rpc(self, method: str, *params: Any) -> Any:
        """Returns a method's result; raises RpcFailure."""
        answer = await self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        if "error" in answer:
            raise RpcFailure(answer["error"])
        return answer["result"]

    def sign(self, sender: DevAccount, nonce: int, **fields: Any) -> str:
        """Returns a signed type-2 transaction as hex; fees and gas are generous unless given.

        A field given as None is left out, so that other types can be signed.
        """
        defaults = {
            "type": 2,
            "chainId": self.dev.chain_id,
            "nonce": nonce,
            "gas": 3_000_000 if "data" in fields else 21_000,
            "maxFeePerGas": 20 * 10**9,
            "maxPriorityFeePerGas": 10**9,
            "value": 0,
        }
        chosen = {name: value for name, value in (defaults | fields).items() if value is not None}
        signed = Account.sign_transaction(chosen, sender.private_key)
        return "0x" + bytes(signed.raw_transaction).hex()

    async def send(self, sender: DevAccount, **fields: Any) -> str:
        """Signs with the next free nonce, sends, and returns the transaction's hash. Nothing is mined."""
        nonce = int(await self.rpc("eth_getTransactionCount", sender.address, "pending"), 16)
        result: str = await self.rpc("eth_sendRawTransaction", self.sign(sender, nonce, **fields))
        return result

    async def transact(self, sender: DevAccount, **fields: Any) -> dict[str, Any]:
        """Sends, mines one block and returns the receipt, whatever its status."""
        tx_hash = await self.send(sender, **fields)
        await self.dev.mine()
        receipt: dict[str, Any] = await self.rpc("eth_getTransactionReceipt", tx_hash)
        return receipt

    async def deploy(self, sender: DevAccount, contract: str, types: list[str], args: list[Any]) -> str:
        """Deploys `abi/<contract>.json`, mining one block, and returns its address."""
        receipt = await self.transact(sender, data=creation_code(contract, types, args))
        assert receipt["status"] == "0x1", f"{contract} was not deployed"
        return to_checksum_address(receipt["contractAddress"])

    async def read(
        self, contract: str, signature: str, args: list[Any], returns: str, at: Any = "latest"
    ) -> Any:
        """Calls a view function with one result: `read(token, "balanceOf(address)", [who], "uint256")`."""
        call = {"to": contract, "data": calldata(signature, args)}
        answer = decode([returns], bytes.fromhex((await self.rpc("eth_call", call, at))[2:]))[0]
        return to_checksum_address(answer) if returns == "address" else answer


def creation_code(contract: str, types: list[str], args: list[Any]) -> str:
    """Returns what a transaction carries that deploys `abi/<contract>.json`, as hex."""
    code: str = json.loads((ABI / f"{contract}.json").read_text())["bytecode"]
    return code + encode(types, args).hex()


def calldata(signature: str, args: list[Any]) -> str:
    """Returns a function call's data as hex; `signature` as in `transfer(address,uint256)`."""
    types = [part for part in signature[signature.index("(") + 1 : -1].split(",") if part]
    return "0x" + (keccak(text=signature)[:4] + encode(types, args)).hex()


@asynccontextmanager
async def local_node(**options: Any) -> AsyncIterator[LocalNode]:
    """Starts a DevChain on a free port, mining on demand unless `options` say otherwise, and stops it."""
    async with DevChain(**options) as dev, aiohttp.ClientSession() as session:
        yield LocalNode(dev, session)


async def deploy_dollar(node: LocalNode, owner: DevAccount) -> str:
    """Deploys the TestDollar with `owner` as its owner and returns its address."""
    return await node.deploy(
        owner, "TestDollar", ["string", "string", "address"], ["Test Dollar", "USDT", owner.address]
    )
