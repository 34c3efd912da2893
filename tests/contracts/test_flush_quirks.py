"""Flushing tokens that misbehave: what each is believed, and that money goes to the collector or stays."""

from dataclasses import dataclass

import pytest

from bascule.chain.abi import artifact, folder
from bascule.domain.hashing import keccak
from tests.support.contracts import Chain, Contract

SALT, COLLECTOR = keccak(b"salt"), keccak(b"collector")[12:]
HELD = 1_000


@dataclass(frozen=True)
class Stage:
    chain: Chain
    factory: Contract
    owner: bytes
    address: bytes


@pytest.fixture(scope="module")
def stage(chain: Chain) -> Stage:
    owner = chain.accounts[0]
    factory = chain.deploy("DepositFactory", owner, 0)
    factory.send("setCollector", COLLECTOR, by=owner)
    return Stage(chain, factory, owner, factory.read("forwarderOf", SALT))


# The quirk -> what the factory says, what the collector then holds, what stays at the deposit address.
OUTCOMES = {
    "PlainToken": ("Flushed", HELD, 0),
    "EighteenDecimals": ("Flushed", HELD, 0),
    "ReturnsNothing": ("Flushed", HELD, 0),
    "ReturnsAtLength": ("Flushed", HELD, 0),
    "Reenters": ("Flushed", HELD, 0),
    "Rebases": ("Flushed", HELD, 0),
    "TakesFee": ("Flushed", HELD - 10, 0),
    # both say nothing against it and move nothing: the books believe balances, not the event
    "LogsWithoutMoving": ("Flushed", 0, HELD),
    "ReturnsBytes": ("Flushed", 0, HELD),
    "MovesAndReturnsFalse": ("FlushFailed", 0, HELD),
    "RefusesWithFalse": ("FlushFailed", 0, HELD),
    "RevertsAtLength": ("FlushFailed", 0, HELD),
    "BlacklistsMidBatch": ("FlushFailed", 0, HELD),
    "BurnsGas": ("FlushFailed", 0, HELD),
    "Vanishes": ("FlushFailed", 0, HELD),
}


def tokens() -> set[str]:
    """Every token of abi/quirks; wallets stand there too."""
    names = {path.stem for path in (folder() / "quirks").glob("*.json")}
    return {
        name for name in names if "mint(address,uint256)" in artifact(f"quirks/{name}").method_identifiers
    }


def test_every_quirk_token_has_its_outcome_in_the_table() -> None:
    assert OUTCOMES.keys() == tokens()


@pytest.mark.parametrize("name", OUTCOMES)
def test_money_of_a_quirk_token_goes_to_the_collector_or_stays(stage: Stage, name: str) -> None:
    token, (said, arrived, stays) = stage.chain.deploy(f"quirks/{name}"), OUTCOMES[name]
    token.send("mint", stage.address, HELD, by=stage.owner)
    if name == "Vanishes":
        token.send("setLeft", 0, by=stage.owner)  # its balances cannot be asked while it is gone

    receipt = stage.factory.send("flush", [SALT], token.address, by=stage.chain.accounts[3])

    deployed, outcome = stage.factory.events(receipt)
    assert (deployed[0], outcome[0]) == ("ForwarderDeployed", said)
    assert outcome[1:4] == (SALT, stage.address, token.address)
    if name == "Vanishes":
        token.send("setLeft", 1, by=stage.owner)
    assert (token.read("balanceOf", COLLECTOR), token.read("balanceOf", stage.address)) == (arrived, stays)


@pytest.mark.parametrize("name", [name for name, (said, *_) in OUTCOMES.items() if said == "FlushFailed"])
def test_token_that_fails_does_not_keep_an_honest_one_from_being_flushed(stage: Stage, name: str) -> None:
    quirk, honest = stage.chain.deploy(f"quirks/{name}"), stage.chain.deploy("quirks/PlainToken")
    for token in (quirk, honest):
        token.send("mint", stage.address, HELD, by=stage.owner)
    stage.factory.send("flush", [SALT], quirk.address, by=stage.owner)

    stage.factory.send("flush", [SALT], honest.address, by=stage.owner)

    assert honest.read("balanceOf", COLLECTOR) == HELD
