"""A token counts as stopped when it refuses to move anything and says why; never by one of the two alone."""

from __future__ import annotations

import pytest

from bascule.chain.errors import RpcError
from bascule.chain.rpc import Rpc
from bascule.chain.token_pause import Stop, stopped
from bascule.domain.chain import Address, parse_address
from bascule.domain.hashing import keccak
from tests.chain.test_issuer_words import PAUSED, reverted
from tests.support.chain import local_node

HOLDER, OTHER = Address(b"\x0a" * 20), Address(b"\x0c" * 20)
YES, NO = (1).to_bytes(32, "big"), bytes(32)
RETURNS, REVERTS, BREAKS_OFF = b"\xf3", b"\xfd", b"\xfe"  # the last is what `assert` was before Solidity 0.8

# What the token does with a transfer, what it answers to paused(), and whether that means it is paused.
TOKENS = {
    "moves": ((YES, RETURNS), (NO, RETURNS), False),
    "moves, without a word": ((b"", RETURNS), (NO, RETURNS), False),
    "moves, and calls itself paused": ((YES, RETURNS), (YES, RETURNS), False),
    "USDC, paused": ((PAUSED, REVERTS), (YES, RETURNS), True),
    "PYUSD, paused": ((reverted("ContractPaused()"), REVERTS), (YES, RETURNS), True),
    "paused by its words alone": ((PAUSED, REVERTS), (b"", REVERTS), True),
    "USDT, paused: no words": ((b"", REVERTS), (YES, RETURNS), True),
    "refuses by false, and calls itself paused": ((NO, RETURNS), (YES, RETURNS), True),
    "refuses by false": ((NO, RETURNS), (NO, RETURNS), False),
    "refuses for another reason": ((reverted("Unheard()"), REVERTS), (NO, RETURNS), False),
    "refuses, and cannot be asked": ((b"", REVERTS), (b"", REVERTS), False),
    "refuses, and would not say yes": ((b"", REVERTS), (YES, REVERTS), False),
    "breaks off, and calls itself paused": ((b"", BREAKS_OFF), (YES, RETURNS), True),
    "breaks off, and cannot be asked": ((b"", BREAKS_OFF), (b"", BREAKS_OFF), False),
    "refuses, and breaks off when asked": ((b"", REVERTS), (b"", BREAKS_OFF), False),
    "refuses, and says something else": ((b"", REVERTS), (YES + YES, RETURNS), False),
}  # fmt: skip

# The same of its list, by the question it answers.
LISTS = {
    "USDC, frozen": ((b"", REVERTS), (YES, RETURNS), "isBlacklisted(address)", True),
    "USDT, frozen: no words": ((b"", REVERTS), (YES, RETURNS), "isBlackListed(address)", True),
    "PYUSD, frozen: no words": ((b"", REVERTS), (YES, RETURNS), "isFrozen(address)", True),
    "PYUSD, frozen": ((reverted("AddressFrozen()"), REVERTS), (NO, RETURNS), "isFrozen(address)", True),
    "names the holder": ((reverted("Blacklisted(address)", HOLDER), REVERTS), (b"", REVERTS), "x()", True),
    "names another": ((reverted("Blacklisted(address)", OTHER), REVERTS), (b"", REVERTS), "x()", False),
    "breaks off, and lists the holder": ((b"", BREAKS_OFF), (YES, RETURNS), "frozen(address)", True),
    "moves, and lists the holder": ((YES, RETURNS), (YES, RETURNS), "isFrozen(address)", False),
    "refuses, and does not list the holder": ((b"", REVERTS), (NO, RETURNS), "isBlacklisted(address)", False),
    "refuses, and would not say yes": ((b"", REVERTS), (YES, REVERTS), "isBlacklisted(address)", False),
}  # fmt: skip


def answering(moving: tuple[bytes, bytes], asked: tuple[bytes, bytes], question: str = "paused()") -> str:
    """What creates a contract that answers a question as `asked`, and everything else as `moving`."""
    other = _answer(*moving)
    there = (15 + len(other)).to_bytes(2, "big")
    branch = bytes.fromhex("5f3560e01c63") + keccak(question.encode())[:4] + b"\x14\x61" + there + b"\x57"
    code = branch + other + b"\x5b" + _answer(*asked)
    size = len(code).to_bytes(2, "big")
    return "0x" + (b"\x61" + size + b"\x80\x60\x0a\x5f\x39\x5f\xf3" + code).hex()


def _answer(words: bytes, how: bytes) -> bytes:
    stored = b"".join(
        b"\x7f" + words[at : at + 32].ljust(32, b"\0") + b"\x61" + at.to_bytes(2, "big") + b"\x52"
        for at in range(0, len(words), 32)
    )
    return stored + b"\x61" + len(words).to_bytes(2, "big") + b"\x5f" + how


async def test_token_is_paused_when_it_refuses_and_says_so() -> None:
    async with local_node() as node:
        rpc = Rpc(node.url, session=node.session, guard=lambda: None)
        found = {}
        for name, (moving, asked, _) in TOKENS.items():
            receipt = await node.transact(node.accounts[0], data=answering(moving, asked))
            token = parse_address(receipt["contractAddress"])
            found[name] = await stopped(rpc, token, HOLDER, 5)

    assert found == {name: Stop.PAUSED if paused else None for name, (_, _, paused) in TOKENS.items()}


async def test_token_froze_its_holder_when_it_refuses_and_says_or_lists_so() -> None:
    async with local_node() as node:
        rpc = Rpc(node.url, session=node.session, guard=lambda: None)
        found = {}
        for name, (moving, asked, question, _) in LISTS.items():
            receipt = await node.transact(node.accounts[0], data=answering(moving, asked, question))
            token = parse_address(receipt["contractAddress"])
            found[name] = await stopped(rpc, token, HOLDER, 5)

    assert found == {name: Stop.HOLDER_FROZEN if froze else None for name, (*_, froze) in LISTS.items()}


async def test_node_that_cannot_answer_does_not_speak_for_the_token() -> None:
    async with local_node() as node:
        rpc = Rpc(node.url, session=node.session, guard=lambda: None)
        for words in ("too many requests", "request timed out", "header not found"):
            await node.rpc("bascule_setFault", {"kind": "error", "message": words, "methods": ["eth_call"]})
            with pytest.raises(RpcError, match=words):
                await stopped(rpc, Address(b"\x0b" * 20), HOLDER, 5)
            await node.rpc("bascule_clearFaults")
