"""Contracts on an in-process chain: deploy, send, ask, and read refusals and events by name."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import TransactionFailed
from eth_utils.address import to_checksum_address

from bascule.chain.abi import Artifact, artifact
from bascule.chain.deployment import PROXY, PROXY_CODE
from bascule.domain.hashing import keccak

GAS = 10_000_000


def selector(entry: Any) -> bytes:
    types = ",".join(one["type"] for one in entry["inputs"])
    return keccak(f"{entry['name']}({types})".encode())


def readable(value: Any) -> Any:
    """Addresses come out of the decoder as lower-case text; tests hold them as bytes."""
    if isinstance(value, str) and len(value) == 42 and value.startswith("0x"):
        return bytes.fromhex(value[2:])
    return value


def refusal_of(compiled: Artifact, data: bytes) -> tuple[Any, ...]:
    """An error's name followed by its arguments."""
    for entry in compiled.abi:
        if entry["type"] == "error" and selector(entry)[:4] == data[:4]:
            values = decode([one["type"] for one in entry["inputs"]], data[4:])
            return (entry["name"], *map(readable, values))
    return ("unnamed", data)


@dataclass(frozen=True)
class Receipt:
    gas_used: int
    logs: list[dict[str, Any]]
    ok: bool


class Contract:
    """One deployed contract; methods are called by the names its ABI gives them."""

    def __init__(self, chain: "Chain", address: bytes, compiled: Artifact) -> None:
        self.chain, self.address, self.compiled = chain, address, compiled

    def send(self, method: str, *arguments: object, by: bytes, gas: int = GAS) -> Receipt:
        """A transaction that must succeed."""
        receipt = self.chain.send(self.address, self.compiled.calldata(method, *arguments), by=by, gas=gas)
        assert receipt.ok, (
            f"{method} was refused: {self.refusal(method, *arguments, by=by, gas=gas, always=False)}"
        )
        return receipt

    def read(self, method: str, *arguments: object) -> Any:
        """What a view answers; several values come as a tuple."""
        answer = self.chain.call(
            self.address, self.compiled.calldata(method, *arguments), by=self.chain.accounts[9]
        )
        inputs = next(s for s in self.compiled.method_identifiers if method in (s, s.partition("(")[0]))
        entry = next(
            e for e in self.compiled.abi
            if e["type"] == "function" and selector(e)[:4] == self.compiled.method_identifiers[inputs]
        )  # fmt: skip
        values = tuple(map(readable, decode([one["type"] for one in entry["outputs"]], answer)))
        return values[0] if len(values) == 1 else values

    def refusal(
        self, method: str, *arguments: object, by: bytes, gas: int = GAS, always: bool = True
    ) -> tuple[Any, ...] | None:
        """The named error this call would end with; the chain stays as it is."""
        try:
            self.chain.call(self.address, self.compiled.calldata(method, *arguments), by=by, gas=gas)
        except TransactionFailed as failed:
            return refusal_of(self.compiled, revert_data(failed))
        assert not always, f"{method} was not refused"
        return None

    def events(self, receipt: Receipt) -> list[tuple[Any, ...]]:
        """This contract's events in order: each its name followed by its values, indexed ones in place."""
        return [self.event(log) for log in receipt.logs if bytes.fromhex(log["address"][2:]) == self.address]

    def event(self, log: dict[str, Any]) -> tuple[Any, ...]:
        topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        entry = next(e for e in self.compiled.abi if e["type"] == "event" and selector(e) == topics[0])
        plain = [one["type"] for one in entry["inputs"] if not one["indexed"]]
        values = iter(decode(plain, bytes.fromhex(log["data"][2:])))
        marked = iter(topics[1:])
        found = [
            decode([one["type"]], next(marked))[0] if one["indexed"] else next(values)
            for one in entry["inputs"]
        ]
        return (entry["name"], *map(readable, found))


AHEAD = 24 * 3600


class Chain:
    """eth-tester in this process, with the deployment proxy at its place and ten funded accounts.

    Its time is a day ahead of the machine's, so that only what a test does moves it: a pending block is a
    second after the latest one. Behind the machine's time it would be of now, however long ago that one was.
    """

    def __init__(self) -> None:
        state: dict[bytes, Any] = dict(PyEVMBackend.generate_genesis_state(num_accounts=10))
        state[PROXY] = {"balance": 0, "nonce": 1, "code": PROXY_CODE, "storage": {}}
        self.tester = EthereumTester(PyEVMBackend(genesis_state=state))
        self.accounts = [bytes.fromhex(text[2:]) for text in self.tester.get_accounts()[:10]]
        self.travel(self.now + AHEAD)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What happens inside is taken back afterwards."""
        snapshot = self.tester.take_snapshot()
        try:
            yield
        finally:
            self.tester.revert_to_snapshot(snapshot)

    def deploy(self, name: str, *arguments: object) -> Contract:
        compiled = artifact(name)
        transaction = self._transaction(b"", compiled.init_code(*arguments), self.accounts[0], GAS, 0)
        receipt = self.tester.get_transaction_receipt(self.tester.send_transaction(transaction))
        assert receipt["status"] == 1, f"{name} was not deployed"
        return Contract(self, bytes.fromhex(receipt["contract_address"][2:]), compiled)

    def deploy_refusal(self, name: str, *arguments: object) -> tuple[Any, ...]:
        """The named error this deployment would end with."""
        compiled = artifact(name)
        try:
            self.call(b"", compiled.init_code(*arguments), by=self.accounts[0])
        except TransactionFailed as failed:
            return refusal_of(compiled, revert_data(failed))
        raise AssertionError(f"{name} was not refused")

    def at(self, name: str, address: bytes) -> Contract:
        return Contract(self, address, artifact(name))

    def send(self, to: bytes, data: bytes, *, by: bytes, gas: int = GAS, value: int = 0) -> Receipt:
        """A transaction, mined, whether it succeeds or not."""
        sent = self.tester.send_transaction(self._transaction(to, data, by, gas, value))
        receipt = self.tester.get_transaction_receipt(sent)
        return Receipt(receipt["gas_used"], list(receipt["logs"]), receipt["status"] == 1)

    def call(self, to: bytes, data: bytes, *, by: bytes, gas: int = GAS) -> bytes:
        answer: str = self.tester.call(self._transaction(to, data, by, gas, 0))
        return bytes.fromhex(answer[2:])

    def code(self, address: bytes) -> bytes:
        return bytes.fromhex(self.tester.get_code(to_checksum_address(address))[2:])

    def balance(self, address: bytes) -> int:
        held: int = self.tester.get_balance(to_checksum_address(address))
        return held

    @property
    def now(self) -> int:
        """Time of the latest block, in seconds."""
        time: int = self.tester.get_block_by_number("latest")["timestamp"]
        return time

    def travel(self, to: int) -> None:
        """Mines a block of that time; calls see it, the next transaction's block is a second later."""
        self.tester.time_travel(to + 1)

    def _transaction(self, to: bytes, data: bytes, by: bytes, gas: int, value: int) -> dict[str, Any]:
        place = {"to": to_checksum_address(to)} if to else {}
        return {
            "from": to_checksum_address(by), "data": "0x" + data.hex(), "gas": gas, "value": value,
            "max_fee_per_gas": 10**10, "max_priority_fee_per_gas": 1,
        } | place  # fmt: skip


def revert_data(failed: TransactionFailed) -> bytes:
    """The backend passes revert data on as the text of a bytes literal."""
    text = str(failed).removeprefix("execution reverted: ")
    return ast.literal_eval(text) if text.startswith(("b'", 'b"')) else text.encode()
