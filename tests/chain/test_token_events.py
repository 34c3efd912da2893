"""Every dialect's words are known by their topics, and only from the tokens that are watched."""

import pytest

from bascule.chain.bloom import bloom_of
from bascule.chain.logs import Log
from bascule.chain.token_events import ABOUT_SOMEBODY, DIALECTS, found, may_be_in
from bascule.domain.chain import Address, Hash
from bascule.domain.hashing import keccak

TOKEN, OTHER, WHO = Address(b"\x07" * 20), Address(b"\x08" * 20), Address(b"\x09" * 20)
WORD = bytes(12) + WHO
EVENTS = [(kind, event) for kind, events in DIALECTS.items() for event in events]


def log(event: str, *topics: bytes, data: bytes = b"", token: Address = TOKEN) -> Log:
    return Log(3, Hash(b"\x01" * 32), token, (keccak(event.encode()), *topics), data)


@pytest.mark.parametrize(("kind", "event"), EVENTS)
def test_event_says_its_kind_and_whom_it_is_about_indexed_or_not(kind: str, event: str) -> None:
    expected = WHO if kind in ABOUT_SOMEBODY else None
    for given in (log(event, WORD), log(event, data=WORD + bytes(32))):
        [said] = found([given], {TOKEN})
        assert (said.kind, said.token, said.log_index, said.subject) == (kind, TOKEN, 3, expected)


def test_no_event_belongs_to_two_kinds() -> None:
    assert len({event for _, event in EVENTS}) == len(EVENTS)


# Topics as block explorers show them for USDC, USDT and OpenZeppelin's Pausable.
@pytest.mark.parametrize(
    ("event", "topic"),
    [
        ("Pause()", "6985a02210a168e66602d3235cb6db0e70f92b3ba4d376a33c0f3d9434bff625"),
        ("Paused(address)", "62e78cea01bee320cd4e420270b5ea74000d11b0c9f74754ebdbfc544b05a258"),
        ("Blacklisted(address)", "ffa4e6181777692565cf28528fc88fd1516ea86b56da075235fa575af6a4b855"),
        ("AddedBlackList(address)", "42e160154868087d6bfdc0ca23d96a1c1cfa32f1b72ba9ba27b69b98a0d819dc"),
    ],
)
def test_topics_are_those_on_chain(event: str, topic: str) -> None:
    assert keccak(event.encode()).hex().startswith(topic)


def test_words_of_other_contracts_and_other_words_are_nothing() -> None:
    assert found([log("Pause()", token=OTHER), log("Approval(address,address,uint256)")], {TOKEN}) == []
    assert found([Log(0, Hash(b"\x01" * 32), TOKEN, (), b"")], {TOKEN}) == []


def test_subject_that_is_no_address_names_nobody() -> None:
    [said] = found([log("Blacklisted(address)", b"\xff" * 32)], {TOKEN})
    assert said.subject is None
    [said] = found([log("Blacklisted(address)")], {TOKEN})
    assert said.subject is None


def test_bloom_rules_out_blocks_without_a_word_of_these_tokens() -> None:
    pause = keccak(b"Pause()")
    assert may_be_in(bloom_of([TOKEN, pause]), {TOKEN})
    assert not may_be_in(bloom_of([OTHER, pause]), {TOKEN})
    assert not may_be_in(bloom_of([TOKEN, keccak(b"Transfer(address,address,uint256)")]), {TOKEN})
    assert not may_be_in(bloom_of([TOKEN, pause]), set())
