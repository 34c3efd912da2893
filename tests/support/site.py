"""An installation's file, a node in a thread of its own, and the command line between them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bascule.chain.deployment import PROXY, deployment
from bascule.chain.rpc import Rpc
from bascule.domain.chain import Address, checksum, parse_address
from bascule.entrypoints.cli.app import run
from bascule.entrypoints.dev.wallet import Wallet, receipt
from bascule.entrypoints.devchain.accounts import dev_accounts
from bascule.entrypoints.devchain.node import DevChain
from tests.support.nodes import LyingNode, lying_node

DEPLOYER, TREASURY, GUARDIAN, CANCELLER, COLLECTOR, OPERATOR, OWNER_1, OWNER_2, OTHER = dev_accounts()[:9]
TOKEN = checksum(Address(b"\x77" * 20))


class Nodes:
    """Local chains that turn in a thread while the command under test has the main one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._stack = AsyncExitStack()
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What the coroutine returns, run where the nodes run."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def chain(self, chain_id: int) -> str:
        """The URL of a fresh chain."""
        node: DevChain = self.do(
            self._stack.enter_async_context(DevChain(chain_id=chain_id, block_time=0.02))
        )
        return node.url

    def liar(self, url: str) -> LyingNode:
        """A node before the one at `url`, true until told otherwise."""
        node: LyingNode = self.do(self._stack.enter_async_context(lying_node(url)))
        return node

    def rpc(self, url: str, method: str, *params: object) -> Any:
        """A method's result, straight from the node."""

        async def ask() -> Any:
            async with aiohttp.ClientSession() as session:
                return await Rpc(url, session=session, guard=lambda: None).call(method, *params)

        return self.do(ask())

    def send(self, url: str, chain_id: int, account: Any, to: Address, data: bytes) -> None:
        """A transaction of a development account, mined."""

        async def work() -> None:
            async with aiohttp.ClientSession() as session:
                rpc = Rpc(url, session=session, guard=lambda: None)
                wallet = Wallet(rpc, chain_id, account.private_key)
                await receipt(rpc, await wallet.send(to, data, gas=3_000_000))

        self.do(work())

    def close(self) -> None:
        self.do(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


@contextmanager
def nodes() -> Iterator[Nodes]:
    """Nodes that are gone afterwards."""
    made = Nodes()
    try:
        yield made
    finally:
        made.close()


def shared_wallet(owners: list[str], threshold: int) -> Any:
    """Where a contract wallet with these owners stands on each chain, and what puts it there."""
    return deployment("quirks/SharedWallet", [bytes(parse_address(each)) for each in owners], threshold)


WALLET = shared_wallet([OWNER_1.address, OWNER_2.address], 2)


class Site:
    """One installation: `run` is the command line, `file` its configuration."""

    def __init__(self, nodes: Nodes, file: Path, captured: pytest.CaptureFixture[str]) -> None:
        self.nodes, self.file = nodes, file
        self._captured = captured

    def configure(self, chains: dict[int, str], **changes: Any) -> None:
        """chains: node URLs by chain id. changes: entries of `[contracts]` or of a chain's contracts."""
        birth = {
            "deployer": DEPLOYER.address,
            "treasury": TREASURY.address,
            "guardian": GUARDIAN.address,
            "canceller": CANCELLER.address,
            "owner": {
                "address": checksum(WALLET.address),
                "owners": [OWNER_1.address, OWNER_2.address],
                "threshold": 2,
            },
        }
        roles = {
            "collector": COLLECTOR.address,
            "lanes": [{"lane": 0, "operator": OPERATOR.address}],
            "limits": [{"token": TOKEN, "amount_atomic": "5000000", "window_s": 86_400}],
        }
        for name, value in changes.items():
            table = birth if name in {*birth, "collector_delay_s", "salt"} else roles
            table[name] = value
        lines = ["# kept: how this installation is meant", "", "[contracts]"]
        lines += [f"{name} = {inline(value)}" for name, value in birth.items() if value is not None]
        for chain_id, url in chains.items():
            lines += ["", "[[chains]]", f"id = {chain_id}", f'name = "chain{chain_id}"  # kept too']
            lines += [f'rpc = [{{ url = "{url}" }}]', "[chains.contracts]"]
            lines += [f"{name} = {inline(value)}" for name, value in roles.items()]
        self.file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, what was printed, and what was said of an error."""
        code = run(["contracts", *words])
        said = self._captured.readouterr()
        return code, said.out, said.err

    def lines(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        """The JSON lines of a command that must end with `code`."""
        ended, out, err = self.run(*words, "--json")
        assert ended == code, out + err
        return [json.loads(line) for line in out.splitlines()]

    def differing(self, chain: int, code: int = 1) -> dict[tuple[str, str], dict[str, Any]]:
        """What `verify` finds different, by contract and subject."""
        checks = self.lines("verify", "--chain", str(chain), code=code)
        return {(c["contract"], c["subject"]): c for c in checks if c["state"] != "ok"}

    def make_wallet(self, url: str, chain_id: int, wallet: Any = WALLET) -> None:
        """The contract wallet stands on the chain."""
        self.nodes.send(url, chain_id, OTHER, PROXY, wallet.calldata)

    def accept(self, url: str, chain_id: int, contract: str) -> None:
        """The wallet accepts the ownership of a contract, as one of its owners asks it to."""
        accept = bytes.fromhex("79ba5097")  # acceptOwnership()
        data = WALLET.artifact.calldata("execute", bytes(parse_address(contract)), accept)
        self.nodes.send(url, chain_id, OWNER_1, WALLET.address, data)


def inline(value: Any) -> str:
    """A value as TOML has it on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {inline(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)
