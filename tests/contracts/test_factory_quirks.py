"""DepositFactory against tokens that misbehave: flushed to the collector, or left where it was and named."""

import pytest

from bascule.domain.hashing import keccak
from tests.support.contracts import Chain, Contract

COLLECTOR = keccak(b"collector")[12:]
SALTS = [bytes(31) + bytes([number]) for number in range(2)]
MOVING = [
    "EighteenDecimals",
    "Rebases",
    "Reenters",
    "ReturnsAtLength",
    "ReturnsNothing",
    "TakesFee",
    "Vanishes",
]
REFUSING = ["BlacklistsMidBatch", "MovesAndReturnsFalse", "RefusesWithFalse", "RevertsAtLength"]


@pytest.fixture(scope="module")
def factory(chain: Chain) -> Contract:
    factory = chain.deploy("DepositFactory", chain.accounts[0], 0)
    factory.send("setCollector", COLLECTOR, by=chain.accounts[0])
    return factory


def flushed(chain: Chain, factory: Contract, name: str) -> tuple[list[object], list[int], int]:
    """Events of a flush, what the two addresses hold afterwards, what the collector holds."""
    token = chain.deploy(f"quirks/{name}")
    places = [factory.read("forwarderOf", salt) for salt in SALTS]
    for place in places:
        token.send("mint", place, 1_000, by=chain.accounts[0])
    receipt = factory.send("flush", SALTS, token.address, by=chain.accounts[1])
    events: list[object] = [e[0] for e in factory.events(receipt) if e[0] != "ForwarderDeployed"]
    return events, [token.read("balanceOf", place) for place in places], token.read("balanceOf", COLLECTOR)


@pytest.mark.parametrize("name", MOVING)
def test_token_that_moves_is_flushed_whole_whatever_else_it_does(
    chain: Chain, factory: Contract, name: str
) -> None:
    events, left, collected = flushed(chain, factory, name)

    assert (events, left) == (["Flushed"] * 2, [0, 0])
    assert collected == (1_980 if name == "TakesFee" else 2_000)


@pytest.mark.parametrize("name", REFUSING)
def test_token_that_refuses_keeps_its_money_at_the_address(
    chain: Chain, factory: Contract, name: str
) -> None:
    events, left, collected = flushed(chain, factory, name)

    assert (events, left, collected) == (["FlushFailed"] * 2, [1_000, 1_000], 0)


def test_token_that_logs_without_moving_is_told_by_the_balance_alone(chain: Chain, factory: Contract) -> None:
    events, left, collected = flushed(chain, factory, "LogsWithoutMoving")

    assert (events, left, collected) == (["Flushed"] * 2, [1_000, 1_000], 0)


def test_token_that_burns_its_gas_costs_its_flusher_the_gas_and_nobody_the_money(
    chain: Chain, factory: Contract
) -> None:
    token = chain.deploy("quirks/BurnsGas")
    places = [factory.read("forwarderOf", salt) for salt in SALTS]
    for place in places:
        token.send("mint", place, 1_000, by=chain.accounts[0])
    data = factory.compiled.calldata("flush", SALTS, token.address)

    assert not chain.send(factory.address, data, by=chain.accounts[1], gas=2_000_000).ok
    assert [token.read("balanceOf", place) for place in places] == [1_000, 1_000]
    assert [chain.code(place) for place in places] == [b"", b""]
