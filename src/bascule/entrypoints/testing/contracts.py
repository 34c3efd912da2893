"""Calls of contracts that engineers bring along, by the ABI their compiler wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import encode

from bascule.domain.hashing import keccak


def init_code(abi: Sequence[Mapping[str, Any]], bytecode: str, arguments: Sequence[object]) -> bytes:
    """What a transaction that makes the contract carries. Raises: ValueError."""
    inputs = [entry["inputs"] for entry in abi if entry["type"] == "constructor"]
    types = [_type(parameter) for parameter in inputs[0]] if inputs else []
    if len(types) != len(arguments):
        raise ValueError(f"the constructor takes {len(types)} arguments, not {len(arguments)}")
    return bytes.fromhex(bytecode.removeprefix("0x")) + encode(types, arguments)


def calldata(abi: Sequence[Mapping[str, Any]], method: str, arguments: Sequence[object]) -> bytes:
    """What a transaction that calls `method` carries; of several so called, the one that takes as many.

    Raises: ValueError when there is none, or more than one.
    """
    functions = [entry for entry in abi if entry["type"] == "function" and entry["name"] == method]
    fitting = [entry for entry in functions if len(entry["inputs"]) == len(arguments)]
    if len(fitting) != 1:
        raise ValueError(f"the ABI has {len(fitting)} methods {method} of {len(arguments)} arguments")
    types = [_type(parameter) for parameter in fitting[0]["inputs"]]
    return keccak(f"{method}({','.join(types)})".encode())[:4] + encode(types, arguments)


def _type(parameter: Mapping[str, Any]) -> str:
    """The type as signatures spell it: a struct is its members in brackets."""
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type(member) for member in parameter['components'])})" + kind.removeprefix("tuple")
