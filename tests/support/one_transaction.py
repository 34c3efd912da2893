"""Several calls and logs in one transaction, without a contract of its own: they run while one is created.

    data = in_one([Call(token, transfer_to_a), Call(token, transfer_to_b), Log([TOPIC], b"")])
    await node.send(payer, data=data)

Sender of the calls and address of the logs is the address that is created, `creation_address`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from rlp import encode

from tests.support.chain import LocalNode, calldata


@dataclass(frozen=True)
class Call:
    """A call without value; what it answers is not looked at."""

    to: str
    data: str


@dataclass(frozen=True)
class Log:
    """An event with up to four topics of 32 bytes."""

    topics: Sequence[bytes]
    data: bytes


def in_one(steps: Sequence[Call | Log]) -> str:
    """What a transaction without `to` carries to do all that, in order, and to leave no code behind."""
    payloads = [bytes.fromhex(step.data[2:]) if isinstance(step, Call) else step.data for step in steps]
    end = 1 + sum(len(_step(step, payload, 0)) for step, payload in zip(steps, payloads, strict=True))
    code = b""
    for step, payload in zip(steps, payloads, strict=True):
        code += _step(step, payload, end)
        end += len(payload)
    return "0x" + (code + b"\x00" + b"".join(payloads)).hex()  # 00: STOP


def transfers(token: str, payments: Sequence[tuple[str, int]]) -> list[Call]:
    """Calls of `transfer`: (to, base units)."""
    return [Call(token, calldata("transfer(address,uint256)", [to, units])) for to, units in payments]


async def creation_address(node: LocalNode, sender: str) -> str:
    """Where the next contract of `sender` will be."""
    nonce = int(await node.rpc("eth_getTransactionCount", sender, "pending"), 16)
    return to_checksum_address(keccak(encode([bytes.fromhex(sender[2:]), nonce]))[12:])


def _step(step: Call | Log, payload: bytes, offset: int) -> bytes:
    """PUSH size, PUSH offset, PUSH 0, CODECOPY; then CALL or LOGn over it."""
    size = b"\x61" + len(payload).to_bytes(2, "big")
    copied = size + b"\x61" + offset.to_bytes(2, "big") + b"\x5f\x39"
    if isinstance(step, Call):
        return copied + b"\x5f\x5f" + size + b"\x5f\x5f\x73" + bytes.fromhex(step.to[2:]) + b"\x5a\xf1\x50"
    topics = b"".join(b"\x7f" + topic for topic in reversed(step.topics))
    return copied + topics + size + b"\x5f" + bytes([0xA0 + len(step.topics)])
