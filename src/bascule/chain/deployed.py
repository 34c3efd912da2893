"""What stands on a chain: the code at an address, held against `abi/`, and what our contracts answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from bascule.chain.abi import artifact
from bascule.chain.caller import Caller
from bascule.chain.errors import WrongShape
from bascule.chain.hexes import data
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Halted


class ForeignCode(Halted):
    """Another contract than ours, or none, stands where ours must."""

    def __init__(self, address: Address, contract: str, found: str) -> None:
        super().__init__(f"{checksum(address)} has {found}, not {contract} as abi/ of this version has it")
        self.next_step = (
            "run `bascule contracts verify`; use the version that was deployed, or correct the addresses"
        )


@dataclass(frozen=True, slots=True)
class Question:
    """A view of a contract of ours. contract: its name in `abi/`; method: as for `Artifact.calldata`."""

    to: Address
    contract: str
    method: str
    arguments: tuple[object, ...] = ()


async def codes(rpc: Caller, places: Sequence[Address], block: str = "latest") -> dict[Address, bytes]:
    """The code at each address, empty where none stands. Raises as `Caller.batch`."""
    found = await rpc.batch_as(str, [("eth_getCode", ("0x" + each.hex(), block)) for each in places])
    return {
        place: data(code, method="eth_getCode") if code != "0x" else b""
        for place, code in zip(places, found, strict=True)
    }


async def ask(rpc: Caller, questions: Sequence[Question], block: str = "latest") -> list[Any]:
    """What each view returns, in order, several values as a tuple; addresses are bytes.

    Ask only contracts whose code is ours. Raises as `Caller.batch`, and WrongShape.
    """
    calls = [("eth_call", ({"to": "0x" + q.to.hex(), "data": _calldata(q)}, block)) for q in questions]
    answers = await rpc.batch_as(str, calls)
    return [_answer(question, answer) for question, answer in zip(questions, answers, strict=True)]


async def require_code(rpc: Caller, expected: Mapping[Address, str]) -> None:
    """Returns when each address has the contract named. Raises: ForeignCode, or as `Caller.batch`."""
    if not expected:
        return
    for address, code in (await codes(rpc, list(expected))).items():
        contract = expected[address]
        if not artifact(contract).is_code(code):
            raise ForeignCode(address, contract, "other code" if code else "no code")


def _calldata(question: Question) -> str:
    return "0x" + artifact(question.contract).calldata(question.method, *question.arguments).hex()


def _answer(question: Question, answer: str) -> Any:
    outputs = next(
        entry["outputs"]
        for entry in artifact(question.contract).abi
        if entry["type"] == "function" and entry["name"] == question.method
    )
    try:
        values = decode([one["type"] for one in outputs], data(answer, method="eth_call"))
    except DecodingError as error:
        raise WrongShape(
            method="eth_call", why=f"{question.method} of {question.contract}: {error}"
        ) from None
    plain = [
        Address(bytes.fromhex(value[2:])) if one["type"] == "address" else value
        for one, value in zip(outputs, values, strict=True)
    ]
    return plain[0] if len(plain) == 1 else tuple(plain)
