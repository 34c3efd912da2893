"""Vault and factory against a model, by random histories: every outcome foretold, every unit accounted for.

The model is a plain ledger written from contracts/README.md. After each step: used bits only grew, no id
moved money twice, balances are the model's to the unit, and all the money there is lies with vault, treasury,
payees, deposit addresses and collectors.
"""

from collections import defaultdict

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from bascule.domain.hashing import keccak
from tests.support.contracts import Chain
from tests.support.vault import FOREVER, ZERO, item, payee, tag, word_of

LANES, INDEXES, PAYEES, SALTS = (1, 2), range(24), range(3), 3
FLOAT, LIMIT, WINDOW, DELAY = 3_000, 3_000, 8 * 10**6, 40
COLLECTORS = [keccak(b"collector%d" % n)[12:] for n in range(3)]
NOBODY = bytes(20)


class World:
    """The contracts on one chain, built once; each history is taken back."""

    def __init__(self) -> None:
        self.chain = Chain()
        self.owner, *rest = self.chain.accounts[:7]
        self.operators = dict(zip(LANES, rest[:2], strict=True))
        self.guardian, self.canceller, self.treasury, self.stranger = rest[2:]
        self.vault = self.chain.deploy(
            "PayoutVault", self.owner, self.treasury, self.guardian, self.canceller
        )
        self.token = self.chain.deploy("TestDollar", "Test Dollar", "TUSD", self.owner)
        self.factory = self.chain.deploy("DepositFactory", self.owner, DELAY)
        self.token.send("mint", self.vault.address, FLOAT, by=self.owner)
        self.vault.send("setLimit", self.token.address, LIMIT, WINDOW, by=self.owner)
        for lane, operator in self.operators.items():
            self.vault.send("setLane", lane, operator, by=self.owner)
        self.salts = [keccak(b"salt%d" % n) for n in range(SALTS)]
        self.deposits = [self.factory.read("forwarderOf", salt) for salt in self.salts]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


class Money(RuleBasedStateMachine):
    """Everything the roles can do to the money, in any order."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        w = self.w = self.world
        self.snapshot = w.chain.tester.take_snapshot()
        self.held: dict[bytes, int] = defaultdict(int, {w.vault.address: FLOAT})
        self.moved: dict[int, int] = defaultdict(int)
        self.used: set[int] = set()
        self.heads = dict.fromkeys(LANES, ZERO)
        self.masks = dict.fromkeys(LANES, 0)
        self.open = dict(w.operators)
        self.retired: set[int] = set()
        self.barred: set[bytes] = set()
        self.paused, self.spent, self.limit = False, 0, LIMIT
        self.collector, self.next, self.due = NOBODY, NOBODY, 0

    def teardown(self) -> None:
        self.w.chain.tester.revert_to_snapshot(self.snapshot)

    # what the vault pays

    @rule(
        lane=st.sampled_from(LANES),
        entries=st.lists(
            st.tuples(st.sampled_from(INDEXES), st.integers(0, 700), st.sampled_from(PAYEES)),
            min_size=1, max_size=4,
        ),
        fault=st.sampled_from(["order", "head", "caller", *[""] * 12]),
    )  # fmt: skip
    def pay(self, lane: int, entries: list[tuple[int, int, int]], fault: str) -> None:
        """A batch, right four times in five."""
        entries = entries if fault == "order" else sorted({each[0]: each for each in entries}.values())
        items = [item(index, amount, payee(to)) for index, amount, to in entries]
        head = keccak(b"stale") if fault == "head" else self.heads[lane]
        by = self.w.stranger if fault == "caller" else self.w.operators[lane]
        tags = [tag(i) for i in range(len(items))]
        given = (self.w.token.address, lane, head, word_of(lane), items, tags, FOREVER)
        expected = self._refused(lane, head, by, entries)
        if expected is not None:
            refusal = self.w.vault.refusal("pay", *given, by=by)
            assert refusal is not None
            assert refusal[0] == expected
            return
        receipt = self.w.vault.send("pay", *given, by=by)
        fresh = [entry for entry in entries if lane << 224 | entry[0] not in self.used]
        refused = 0
        for index, amount, to in fresh:
            self.used.add(lane << 224 | index)
            self.spent += amount
            if payee(to) in self.barred:
                refused |= 1 << index
            else:
                self._move(self.w.vault.address, payee(to), amount)
                self.moved[lane << 224 | index] += 1
        self.heads[lane] = keccak(self.w.vault.compiled.calldata("pay", *given))
        attempted = sum(1 << index for index, _, _ in fresh)
        outcome = self.w.vault.events(receipt)[-1]
        assert outcome == (
            "BatchPaid", lane, self.heads[lane], self.w.token.address, word_of(lane), attempted, refused,
        )  # fmt: skip
        paid = [(payee(to), amount) for index, amount, to in fresh if not refused >> index & 1]
        assert [event[2:] for event in self.w.token.events(receipt)] == paid

    def _refused(self, lane: int, head: bytes, by: bytes, entries: list[tuple[int, int, int]]) -> str | None:
        """The first rule a batch breaks, in the contract's order; None when it must be executed."""
        indexes = [index for index, _, _ in entries]
        total = sum(amount for index, amount, _ in entries if lane << 224 | index not in self.used)
        rules = (
            ("EnforcedPause", self.paused),
            ("LaneIsRetired", lane in self.retired),
            ("NotOperator", by != self.open[lane]),
            ("HeadMismatch", head != self.heads[lane]),
            ("IndexNotRising", indexes != sorted(set(indexes))),
            ("BalanceBelowSum", self.held[self.w.vault.address] < total),
            ("LimitExceeded", self.spent + total > self.limit),
        )
        return next((name for name, broken in rules if broken), None)

    @rule(ids=st.lists(st.tuples(st.sampled_from(LANES), st.sampled_from(INDEXES)), max_size=3))
    def cancel(self, ids: list[tuple[int, int]]) -> None:
        given = [lane << 224 | index for lane, index in ids]
        receipt = self.w.vault.send("cancel", given, by=self.w.canceller)
        fresh = [one for one in dict.fromkeys(given) if one not in self.used]
        assert self.w.vault.events(receipt) == [("PayoutCanceled", one) for one in fresh]
        self.used.update(fresh)

    @rule(amount=st.integers(-900, 400))
    def withdraw_or_fill(self, amount: int) -> None:
        """A negative amount comes from the issuer, so that the float lasts."""
        if amount < 0:
            self.w.token.send("mint", self.w.vault.address, -amount, by=self.w.owner)
            self.held[self.w.vault.address] -= amount
        elif amount > self.held[self.w.vault.address]:
            refusal = self.w.vault.refusal("withdraw", self.w.token.address, amount, by=self.w.owner)
            assert refusal is not None
        else:
            self.w.vault.send("withdraw", self.w.token.address, amount, by=self.w.owner)
            self._move(self.w.vault.address, self.w.treasury, amount)

    # what its roles change

    @rule(
        change=st.sampled_from(["pause", "close", "retire", "limit", "bar", "bar"]),
        lane=st.sampled_from(LANES), to=st.sampled_from(PAYEES), limit=st.integers(0, 2 * LIMIT),
    )  # fmt: skip
    def govern(self, change: str, lane: int, to: int, limit: int) -> None:
        """One change; what stops the vault is undone by the next, so that it pays in between."""
        if self.paused or change == "pause":
            self._pause_or_unpause()
        elif self.open[lane] == NOBODY or change == "close":
            self._set_lane(lane, self.w.operators[lane] if self.open[lane] == NOBODY else NOBODY)
        elif change == "retire" and lane == LANES[1] and lane not in self.retired:  # the other one stays
            self.w.vault.send("retireLane", lane, by=self.w.guardian)
            self.retired.add(lane)
        elif change == "limit" or self.limit < LIMIT:
            self.limit = limit if self.limit >= LIMIT else 10 * LIMIT
            self.w.vault.send("setLimit", self.w.token.address, self.limit, WINDOW, by=self.w.owner)
        else:
            barred = payee(to) in self.barred
            self.w.token.send("unBlacklist" if barred else "blacklist", payee(to), by=self.w.owner)
            self.barred ^= {payee(to)}

    def _pause_or_unpause(self) -> None:
        method, by = ("unpause", self.w.owner) if self.paused else ("pause", self.w.guardian)
        self.w.vault.send(method, by=by)
        self.paused = not self.paused

    def _set_lane(self, lane: int, operator: bytes) -> None:
        if lane in self.retired:
            refusal = self.w.vault.refusal("setLane", lane, operator, by=self.w.owner)
            assert refusal == ("LaneIsRetired", lane)
        else:
            self.w.vault.send("setLane", lane, operator, by=self.w.owner)
            self.open[lane] = operator

    # what comes in

    @rule(number=st.sampled_from(range(SALTS)), amount=st.integers(1, 500))
    def deposit(self, number: int, amount: int) -> None:
        self.w.token.send("mint", self.w.deposits[number], amount, by=self.w.owner)
        self.held[self.w.deposits[number]] += amount

    @rule(numbers=st.lists(st.sampled_from(range(SALTS)), max_size=4))
    def flush(self, numbers: list[int]) -> None:
        given = [self.w.salts[number] for number in numbers], self.w.token.address
        if self.collector == NOBODY:
            refusal = self.w.factory.refusal("flush", *given, by=self.w.stranger)
            assert refusal == ("CollectorUnset",)
            return
        receipt = self.w.factory.send("flush", *given, by=self.w.stranger)
        flushed = [
            (self.w.salts[n], self.w.deposits[n], self.w.token.address, self.collector, self.held[at])
            for n in dict.fromkeys(numbers)
            if self.held[at := self.w.deposits[n]]
        ]
        told = [event[1:] for event in self.w.factory.events(receipt) if event[0] != "ForwarderDeployed"]
        assert told == flushed
        for _, at, _, to, amount in flushed:
            self._move(at, to, amount)

    @rule(number=st.sampled_from(range(len(COLLECTORS))))
    def set_collector(self, number: int) -> None:
        wanted = COLLECTORS[number]
        if wanted == self.collector:
            refusal = self.w.factory.refusal("setCollector", wanted, by=self.w.owner)
            assert refusal == ("InvalidCollector", wanted, wanted)
            return
        self.w.factory.send("setCollector", wanted, by=self.w.owner)
        if self.collector == NOBODY:
            self.collector = wanted
        else:
            self.next, self.due = wanted, self.w.chain.now + DELAY

    @rule(waits=st.booleans())
    def accept_collector(self, waits: bool) -> None:
        if waits:
            self.w.chain.travel(max(self.due, self.w.chain.now + 1))
        refusal = self.w.factory.refusal("acceptCollector", by=self.w.owner, always=False)
        if self.next == NOBODY:
            assert refusal == ("NothingScheduled",)
        elif self.w.chain.now < self.due:
            assert refusal == ("DelayNotOver", self.due, self.w.chain.now)
        else:
            self.w.factory.send("acceptCollector", by=self.w.owner)
            self.collector, self.next = self.next, NOBODY

    # what must hold after each step

    @invariant()
    def balances_are_the_models_and_nobody_else_has_money(self) -> None:
        read = self.w.token.read
        places = (self.w.vault.address, self.w.treasury)
        everyone = (*places, *map(payee, PAYEES), *self.w.deposits, *COLLECTORS)
        found = {account: read("balanceOf", account) for account in everyone}
        assert {account: held for account, held in found.items() if held} == {
            account: held for account, held in self.held.items() if held
        }
        assert sum(found.values()) == read("totalSupply")

    @invariant()
    def used_bits_only_grow_and_are_the_models(self) -> None:
        for lane in LANES:
            mask = self.w.vault.read("usedMask", word_of(lane))
            assert mask & self.masks[lane] == self.masks[lane]
            assert mask == sum(1 << (one & 0xFF) for one in self.used if one >> 224 == lane)
            self.masks[lane] = mask
            assert self.w.vault.read("head", lane) == self.heads[lane]

    @invariant()
    def no_id_moved_money_twice(self) -> None:
        assert all(times == 1 for times in self.moved.values())

    @invariant()
    def limit_leaves_what_the_model_says(self) -> None:
        left = self.w.vault.read("available", self.w.token.address)
        assert left == max(0, self.limit - self.spent)

    def _move(self, source: bytes, target: bytes, amount: int) -> None:
        self.held[source] -= amount
        self.held[target] += amount


def histories(world: World, number: int, *, examples: int, steps: int) -> None:
    """Histories of one seed, as they come: a failing one is told in full, not shrunk."""
    machine = type("Money", (Money,), {"world": world})
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, database=None,
            phases=(Phase.generate,), suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


@pytest.mark.slow
def test_money_goes_where_the_model_says_in_a_short_history(world: World) -> None:
    histories(world, 1, examples=1, steps=30)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2, 5))
def test_money_goes_where_the_model_says_in_long_histories(world: World, number: int) -> None:
    """One seed again: `pytest -m slow -k 'long_histories and 3' tests/contracts/test_money_machine.py`."""
    histories(world, number, examples=4, steps=50)
