"""DepositFactory and DepositForwarder: addresses known beforehand, money that can go one way only."""

import hashlib
import hmac
from dataclasses import dataclass

import pytest

from bascule.domain.hashing import keccak
from tests.support.contracts import Chain, Contract, refusal_of

DELAY = 48 * 3600
NATIVE = bytes(20)


def salt(n: int, epoch: int = 0) -> bytes:
    message = epoch.to_bytes(4, "big") + n.to_bytes(8, "big")
    return hmac.new(b"deployment seed", message, hashlib.sha256).digest()


@dataclass(frozen=True)
class Stage:
    """A factory with a collector, a token with its issuer."""

    chain: Chain
    factory: Contract
    token: Contract
    owner: bytes
    collector: bytes
    payer: bytes
    stranger: bytes

    def address(self, number: int) -> bytes:
        """The deposit address as contracts/README.md computes it, without asking the factory."""
        implementation = keccak(b"\xd6\x94" + self.factory.address + b"\x01")[12:]
        code = bytes.fromhex("3d602d80600a3d3981f3363d3d373d3d3d363d73") + implementation
        code += bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
        return keccak(b"\xff" + self.factory.address + salt(number) + keccak(code))[12:]

    def deposit(self, number: int, amount: int) -> None:
        self.token.send("mint", self.address(number), amount, by=self.owner)

    def flush(self, *numbers: int, token: bytes | None = None) -> list[tuple[object, ...]]:
        """Any account may flush; the factory's events come back."""
        where = self.token.address if token is None else token
        receipt = self.factory.send("flush", [salt(n) for n in numbers], where, by=self.stranger)
        return self.factory.events(receipt)

    def held(self, account: bytes) -> int:
        balance: int = self.token.read("balanceOf", account)
        return balance


@pytest.fixture(scope="module")
def stage(chain: Chain) -> Stage:
    owner, _, payer, stranger = chain.accounts[:4]
    collector = keccak(b"collector")[12:]
    factory = chain.deploy("DepositFactory", owner, DELAY)
    token = chain.deploy("TestDollar", "Test Dollar", "TUSD", owner)
    factory.send("setCollector", collector, by=owner)
    return Stage(chain, factory, token, owner, collector, payer, stranger)


def test_factory_is_born_with_owner_delay_and_implementation(stage: Stage) -> None:
    read = stage.factory.read

    assert (read("owner"), read("delay"), read("collector")) == (stage.owner, DELAY, stage.collector)
    assert (read("pendingCollector"), read("pendingFrom")) == (bytes(20), 0)
    implementation = stage.chain.at("DepositForwarder", read("implementation"))
    assert implementation.read("factory") == stage.factory.address


def test_factory_cannot_be_born_without_an_owner(stage: Stage) -> None:
    assert stage.chain.deploy_refusal("DepositFactory", bytes(20), 0) == ("OwnableInvalidOwner", bytes(20))


@pytest.mark.parametrize("number", [0, 1, 2**64 - 1])
def test_deposit_address_is_known_before_anything_is_deployed(stage: Stage, number: int) -> None:
    assert stage.factory.read("forwarderOf", salt(number)) == stage.address(number)
    assert stage.chain.code(stage.address(number)) == b""


def test_first_flush_deploys_the_forwarder_and_moves_its_balance(stage: Stage) -> None:
    stage.deposit(1, 500)

    events = stage.flush(1)

    forwarder, token = stage.address(1), stage.token.address
    assert events == [
        ("ForwarderDeployed", salt(1), forwarder),
        ("Flushed", salt(1), forwarder, token, stage.collector, 500),
    ]
    assert (stage.held(forwarder), stage.held(stage.collector)) == (0, 500)
    assert len(stage.chain.code(forwarder)) == 45


def test_later_flush_moves_what_came_since(stage: Stage) -> None:
    stage.deposit(1, 500)
    stage.flush(1)
    stage.deposit(1, 70)

    events = stage.flush(1)

    assert events == [("Flushed", salt(1), stage.address(1), stage.token.address, stage.collector, 70)]
    assert stage.held(stage.collector) == 570


def test_empty_address_is_deployed_and_passed_over(stage: Stage) -> None:
    stage.deposit(2, 5)

    events = stage.flush(1, 2)

    assert [event[0] for event in events] == ["ForwarderDeployed", "ForwarderDeployed", "Flushed"]
    assert stage.flush(1, 2) == []


def test_salt_named_twice_is_flushed_once(stage: Stage) -> None:
    stage.deposit(1, 5)

    assert [event[0] for event in stage.flush(1, 1)] == ["ForwarderDeployed", "Flushed"]


def test_failing_address_is_skipped_and_named(stage: Stage) -> None:
    for number in (1, 2, 3):
        stage.deposit(number, 10 * number)
    stage.token.send("blacklist", stage.address(2), by=stage.owner)

    events = [event for event in stage.flush(1, 2, 3) if event[0] != "ForwarderDeployed"]

    assert [event[0] for event in events] == ["Flushed", "FlushFailed", "Flushed"]
    failed = events[1]
    assert failed[1:4] == (salt(2), stage.address(2), stage.token.address)
    assert isinstance(failed[4], bytes)
    assert refusal_of(stage.token.compiled, failed[4]) == ("AccountBlacklisted", stage.address(2))
    assert (stage.held(stage.collector), stage.held(stage.address(2))) == (40, 20)


def test_address_that_failed_is_flushed_once_the_token_lets_it(stage: Stage) -> None:
    stage.deposit(1, 10)
    stage.token.send("pause", by=stage.owner)
    assert [event[0] for event in stage.flush(1)] == ["ForwarderDeployed", "FlushFailed"]
    stage.token.send("unpause", by=stage.owner)

    assert [event[0] for event in stage.flush(1)] == ["Flushed"]


def test_token_that_is_no_contract_fails_address_by_address(stage: Stage) -> None:
    nothing = keccak(b"nothing here")[12:]

    assert [event[0] for event in stage.flush(1, token=nothing)] == ["ForwarderDeployed", "FlushFailed"]


def test_token_that_answers_false_is_reported_as_failed(stage: Stage) -> None:
    token = stage.chain.deploy("quirks/RefusesWithFalse")
    token.send("mint", stage.address(1), 10, by=stage.owner)

    failed = stage.flush(1, token=token.address)[-1]

    assert failed[0] == "FlushFailed"
    compiled = stage.chain.at("DepositForwarder", stage.address(1)).compiled
    assert isinstance(failed[4], bytes)
    assert refusal_of(compiled, failed[4]) == ("SafeERC20FailedOperation", token.address)


def test_token_that_returns_nothing_is_flushed(stage: Stage) -> None:
    token = stage.chain.deploy("quirks/ReturnsNothing")
    token.send("mint", stage.address(1), 10, by=stage.owner)

    assert stage.flush(1, token=token.address)[-1][0] == "Flushed"
    assert token.read("balanceOf", stage.collector) == 10


def test_reentrant_token_cannot_flush_inside_a_flush(stage: Stage) -> None:
    token = stage.chain.deploy("quirks/Reenters")
    token.send("mint", stage.address(1), 10, by=stage.owner)
    inner = stage.factory.compiled.calldata("flush", [salt(1)], token.address)
    token.send("setCallback", stage.factory.address, inner, False, by=stage.owner)

    failed = stage.flush(1, token=token.address)[-1]

    assert failed[0] == "FlushFailed"
    assert isinstance(failed[4], bytes)
    assert refusal_of(stage.factory.compiled, failed[4]) == ("ReentrancyGuardReentrantCall",)


def test_native_coin_is_flushed_before_and_after_deployment(stage: Stage) -> None:
    forwarder = stage.address(1)
    assert stage.chain.send(forwarder, b"", by=stage.payer, value=10**15).ok

    events = stage.flush(1, token=NATIVE)
    assert events[-1] == ("Flushed", salt(1), forwarder, NATIVE, stage.collector, 10**15)
    assert stage.chain.send(forwarder, b"", by=stage.payer, value=7).ok
    stage.flush(1, token=NATIVE)

    assert (stage.chain.balance(forwarder), stage.chain.balance(stage.collector)) == (0, 10**15 + 7)


def test_native_coin_that_the_collector_refuses_stays_at_its_address(stage: Stage) -> None:
    refusing = stage.chain.deploy("quirks/ContractWallet", stage.owner)
    factory = stage.chain.deploy("DepositFactory", stage.owner, 0)
    factory.send("setCollector", refusing.address, by=stage.owner)
    forwarder = factory.read("forwarderOf", salt(1))
    stage.chain.send(forwarder, b"", by=stage.payer, value=7)

    receipt = factory.send("flush", [salt(1)], NATIVE, by=stage.stranger)

    failed = factory.events(receipt)[-1]
    assert failed[0] == "FlushFailed"
    compiled = stage.chain.at("DepositForwarder", forwarder).compiled
    assert refusal_of(compiled, failed[4]) == ("FailedCall",)
    assert stage.chain.balance(forwarder) == 7


def test_forwarder_obeys_its_factory_alone(stage: Stage) -> None:
    stage.deposit(1, 10)
    stage.flush(1)
    stage.deposit(1, 10)
    for address in (stage.address(1), stage.factory.read("implementation")):
        forwarder = stage.chain.at("DepositForwarder", address)
        for caller in (stage.owner, stage.stranger):
            refusal = forwarder.refusal("forward", stage.token.address, caller, by=caller)
            assert refusal == ("NotFactory", caller, stage.factory.address)


def test_nothing_is_flushed_while_the_collector_is_unset(stage: Stage) -> None:
    factory = stage.chain.deploy("DepositFactory", stage.owner, DELAY)

    refusal = factory.refusal("flush", [salt(1)], stage.token.address, by=stage.stranger)
    assert refusal == ("CollectorUnset",)


def test_first_collector_takes_effect_at_once(stage: Stage) -> None:
    factory = stage.chain.deploy("DepositFactory", stage.owner, DELAY)

    receipt = factory.send("setCollector", stage.collector, by=stage.owner)

    assert factory.events(receipt) == [("CollectorChanged", bytes(20), stage.collector)]
    assert factory.read("collector") == stage.collector


def test_later_collector_waits_for_the_delay(stage: Stage) -> None:
    factory = stage.factory
    receipt = factory.send("setCollector", stage.payer, by=stage.owner)
    due = stage.chain.now + DELAY
    assert factory.events(receipt) == [("CollectorScheduled", stage.collector, stage.payer, due)]
    assert (factory.read("pendingCollector"), factory.read("pendingFrom")) == (stage.payer, due)

    stage.chain.travel(due - 1)
    assert factory.refusal("acceptCollector", by=stage.owner) == ("DelayNotOver", due, due - 1)
    assert factory.read("collector") == stage.collector
    stage.chain.travel(due)
    receipt = factory.send("acceptCollector", by=stage.owner)

    assert factory.events(receipt) == [("CollectorChanged", stage.collector, stage.payer)]
    assert (factory.read("collector"), factory.read("pendingCollector")) == (stage.payer, bytes(20))
    assert factory.refusal("acceptCollector", by=stage.owner) == ("NothingScheduled",)


def test_scheduling_again_replaces_and_starts_the_delay_anew(stage: Stage) -> None:
    stage.factory.send("setCollector", stage.payer, by=stage.owner)
    stage.chain.travel(stage.chain.now + DELAY)

    stage.factory.send("setCollector", stage.stranger, by=stage.owner)

    due = stage.chain.now + DELAY
    assert stage.factory.read("pendingCollector") == stage.stranger
    refusal = stage.factory.refusal("acceptCollector", by=stage.owner)
    assert refusal == ("DelayNotOver", due, stage.chain.now)


def test_scheduled_collector_can_be_dropped(stage: Stage) -> None:
    stage.factory.send("setCollector", stage.payer, by=stage.owner)

    receipt = stage.factory.send("unscheduleCollector", by=stage.owner)

    assert stage.factory.events(receipt) == [("CollectorUnscheduled", stage.payer)]
    stage.chain.travel(stage.chain.now + DELAY)
    assert stage.factory.refusal("acceptCollector", by=stage.owner) == ("NothingScheduled",)
    assert stage.factory.refusal("unscheduleCollector", by=stage.owner) == ("NothingScheduled",)


def test_collector_is_neither_zero_nor_the_present_one(stage: Stage) -> None:
    for proposed in (bytes(20), stage.collector):
        refusal = stage.factory.refusal("setCollector", proposed, by=stage.owner)
        assert refusal == ("InvalidCollector", proposed, stage.collector)


@pytest.mark.parametrize("method", ["setCollector", "acceptCollector", "unscheduleCollector"])
def test_collector_is_the_owners_business_alone(stage: Stage, method: str) -> None:
    arguments = (stage.stranger,) if method == "setCollector" else ()

    refusal = stage.factory.refusal(method, *arguments, by=stage.stranger)
    assert refusal == ("OwnableUnauthorizedAccount", stage.stranger)


def test_factory_passes_on_in_two_steps_and_is_never_renounced(stage: Stage) -> None:
    stage.factory.send("transferOwnership", stage.payer, by=stage.owner)
    refusal = stage.factory.refusal("acceptOwnership", by=stage.stranger)
    assert refusal == ("OwnableUnauthorizedAccount", stage.stranger)
    stage.factory.send("acceptOwnership", by=stage.payer)

    assert stage.factory.read("owner") == stage.payer
    assert stage.factory.refusal("renounceOwnership", by=stage.payer) == ("OwnershipIsForever",)


def test_money_goes_to_the_old_collector_until_the_new_one_is_accepted(stage: Stage) -> None:
    stage.deposit(1, 10)
    stage.factory.send("setCollector", stage.payer, by=stage.owner)
    stage.chain.travel(stage.chain.now + DELAY)

    stage.flush(1)
    stage.factory.send("acceptCollector", by=stage.owner)
    stage.deposit(1, 7)
    stage.flush(1)

    assert (stage.held(stage.collector), stage.held(stage.payer)) == (10, 7)


def test_flush_of_nothing_changes_nothing(stage: Stage) -> None:
    assert stage.flush() == []


def test_factory_takes_no_native_coin_and_answers_no_other_call(stage: Stage) -> None:
    assert not stage.chain.send(stage.factory.address, b"", by=stage.payer, value=1).ok
    assert not stage.chain.send(stage.factory.address, b"\xde\xad\xbe\xef", by=stage.owner).ok
