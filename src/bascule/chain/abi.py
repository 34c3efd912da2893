"""The compiled contracts of `abi/`: what they can be asked, and the code that must stand on a chain.

Read on first use and kept. A wheel carries the files inside the package; a checkout has them at its root.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from bascule.domain.errors import Halted
from bascule.domain.hashing import keccak


class ArtifactMissing(Halted):
    """A contract's compiled form is not where this installation keeps it."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract.

    bytecode: creation code without constructor arguments. deployed_bytecode: code as it stands on a chain,
    with zeros where immutables go. immutable_references: (start, length) in bytes of each of those places.
    method_identifiers: signature -> 4 bytes. sources: path in the repository -> SHA-256 of the source, hex.
    """

    name: str
    abi: tuple[Mapping[str, Any], ...] = field(repr=False)
    bytecode: bytes = field(repr=False)
    deployed_bytecode: bytes = field(repr=False)
    immutable_references: tuple[tuple[int, int], ...] = field(repr=False)
    method_identifiers: Mapping[str, bytes] = field(repr=False)
    compiler: str
    evm_version: str
    settings_sha256: str
    sources: Mapping[str, str] = field(repr=False)

    def init_code(self, *arguments: object) -> bytes:
        """The code whose deployment makes this contract with these constructor arguments.

        Addresses may be 20 bytes or text. Wrong arguments are our own mistake and raise ValueError.
        """
        inputs = [entry["inputs"] for entry in self.abi if entry["type"] == "constructor"]
        types = [parameter["type"] for parameter in inputs[0]] if inputs else []
        if len(types) != len(arguments):
            raise ValueError(f"{self.name} is constructed from {len(types)} arguments, not {len(arguments)}")
        return self.bytecode + encode(types, arguments)

    def calldata(self, method: str, *arguments: object) -> bytes:
        """The bytes that call `method`, named alone or, where names repeat, by its full signature."""
        signatures = [s for s in self.method_identifiers if method in (s, s.partition("(")[0])]
        if len(signatures) != 1:
            raise ValueError(f"{self.name} has {len(signatures)} methods called {method}: {signatures}")
        inside = signatures[0].partition("(")[2].removesuffix(")")
        types = inside.split(",") if inside else []
        return self.method_identifiers[signatures[0]] + encode(types, arguments)

    def topic(self, event: str) -> bytes:
        """The first topic of an event's logs."""
        for entry in self.abi:
            if entry["type"] == "event" and entry["name"] == event:
                types = ",".join(parameter["type"] for parameter in entry["inputs"])
                return keccak(f"{event}({types})".encode())
        raise ValueError(f"{self.name} has no event called {event}")

    def masked(self, code: bytes) -> bytes:
        """`code` with zeros where this contract's immutables go: what may be compared or hashed."""
        masked = bytearray(code)
        for start, length in self.immutable_references:
            if start + length <= len(masked):
                masked[start : start + length] = bytes(length)
        return bytes(masked)

    def is_code(self, code: bytes) -> bool:
        """Whether `code`, as read from a chain, is this contract whatever its immutables are."""
        return self.masked(code) == self.deployed_bytecode

    @property
    def code_hash(self) -> bytes:
        """Keccak-256 of the deployed code with its immutables masked."""
        return keccak(self.deployed_bytecode)


def folder() -> Path:
    """Where this installation keeps the compiled contracts. Raises: ArtifactMissing."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "abi", package.parents[1] / "abi"):
        if (place / "PayoutVault.json").is_file():
            return place
    raise ArtifactMissing("The compiled contracts (abi/*.json) are missing from this installation.")


@cache
def artifact(name: str) -> Artifact:
    """The compiled contract of that name, e.g. `PayoutVault`. Raises: ArtifactMissing."""
    path = folder() / f"{name}.json"
    if not path.is_file():
        raise ArtifactMissing(f"There is no compiled contract {name} in {path.parent}.")
    data = json.loads(path.read_text(encoding="utf-8"))
    return Artifact(
        name=data["contractName"],
        abi=tuple(data["abi"]),
        bytecode=bytes.fromhex(data["bytecode"][2:]),
        deployed_bytecode=bytes.fromhex(data["deployedBytecode"][2:]),
        immutable_references=tuple(
            (place["start"], place["length"]) for place in data["immutableReferences"]
        ),
        method_identifiers={s: bytes.fromhex(raw) for s, raw in data["methodIdentifiers"].items()},
        compiler=data["compiler"],
        evm_version=data["evmVersion"],
        settings_sha256=data["settingsSha256"],
        sources=data["sources"],
    )
