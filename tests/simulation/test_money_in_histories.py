"""Random histories of money in: pay, fork, halt, lie, die, race, cancel; all is counted and booked once.

The chain is the oracle, and a model of intents that shares no code with ours. Two of three histories are
told by three nodes of which two must agree and one may lie, the third by one node. `make test-all` tells
500 random histories of up to 16 steps, drawn from 20 seeds of Hypothesis: 25 of each, and the simplest one,
which is the same for all. `make test` tells 4 of another seed. What fails is shown with the line that
repeats it and made as short as it can be. BASCULE_HISTORIES="first-last" chooses seeds.
"""

from __future__ import annotations

import os
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from bascule.services.failpoints import BOUNDARIES
from tests.support.history import History
from tests.support.history_nodes import Nodes
from tests.support.history_world import World
from tests.support.lies import Fault
from tests.support.postgres import TestServer

CHOSEN = os.environ.get("BASCULE_HISTORIES", "")
FEW = range(1, 2)  # the seed of `make test`
MANY = range(3, 23)  # 500 random histories
HISTORIES = 1 + 25  # of a seed; Hypothesis tries the simplest one first
STEPS = 16
AMOUNTS = ("10.00", "10.00", "4.00", "6.00", "9.90", "0.01", "12.00", "25.00")
Payment = tuple[int, str, int, str]  # which of the newest intents, amount, payer, kind
PAYMENTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(AMOUNTS),
        st.integers(1, 2),
        st.sampled_from(("ours",) * 6 + ("unknown token", "vault", "wallet")),
    ),
    min_size=1,
    max_size=3,
)
TERMS: tuple[dict[str, Any], ...] = (
    {},
    {"overpay": "keep"},
    {"underpay_tolerance_bps": 100},
    {"underpay_tolerance_abs": "0.50", "overpay": "keep", "late": "hold"},
    {"late": "hold"},
    {"finality": "depth:1"},
    {"finality": "depth:2", "overpay": "keep"},
)
CRASHES = tuple(name for each in BOUNDARIES if each.worker == "watcher" for name in each.names)
OF_STARTS = ("watcher.before_start", "watcher.after_start", "watcher.after_sighting")
OF_HALTS = ("watcher.before_halt", "watcher.after_halt", "watcher.before_resume", "watcher.after_resume")
LOGS, RECEIPTS, HEADERS = ["eth_getLogs"], ["eth_getBlockReceipts"], ["eth_getBlockByNumber"]
BLOCKS, CALLS = [*HEADERS, "eth_getBlockByHash"], ["eth_call"]
SEVEN = "0x" + (7_000_000).to_bytes(32, "big").hex()
LIES: tuple[Fault, ...] = (
    {"kind": "empty", "methods": LOGS},
    {"kind": "truncate", "methods": LOGS},
    {"kind": "omit", "methods": LOGS},
    {"kind": "bend", "field": "data", "value": SEVEN, "methods": LOGS},
    {"kind": "bend", "field": "transactionHash", "methods": LOGS},
    {"kind": "truncate", "methods": RECEIPTS},
    {"kind": "bend", "field": "status", "value": "0x0", "methods": RECEIPTS},
    {"kind": "bend", "field": "logsBloom", "methods": HEADERS},
    {"kind": "wrong_hash", "methods": HEADERS},
    {"kind": "null", "methods": HEADERS},
    {"kind": "lag", "blocks": 2, "methods": [*HEADERS, *LOGS, *RECEIPTS]},
    {"kind": "stale_head", "methods": HEADERS},
    {"kind": "error", "client": "infura", "says": "too_many_results", "methods": LOGS},
    {"kind": "drop", "methods": [*LOGS, *RECEIPTS]},
    {"kind": "error", "client": "geth", "says": "missing_state", "methods": CALLS},
)
# Where one node is all there is, these are believed.
OUTVOTED: tuple[Fault, ...] = (
    {"kind": "bend", "field": "transactions", "value": [], "methods": BLOCKS},
    {"kind": "error", "client": "geth", "says": "reverted", "methods": CALLS},
    {"kind": "bend", "field": "transactionHash", "methods": RECEIPTS},
)


class MoneyIn(RuleBasedStateMachine):
    """One history."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        try:
            self.world.run(step)
        except BaseException:
            self.broken = True
            raise

    @initialize(
        alone=st.sampled_from((False, False, True)),
        dies_at=st.none() | st.sampled_from(OF_STARTS),
        terms=st.sampled_from(TERMS),
        payments=PAYMENTS,
    )
    def first_intent(
        self, alone: bool, dies_at: str | None, terms: dict[str, Any], payments: list[Payment]
    ) -> None:
        b = self.world.begin()
        self.h = History(
            b, self.world.other_token, Nodes(b, self.world.proxies, self.world.other, alone=alone), dies_at
        )
        self._do(self.h.watch(1))
        self._do(self.h.create(600, terms))
        self._pay(payments, 1, 1)

    @rule(terms=st.sampled_from(TERMS), life=st.sampled_from((600, 30)))
    def create(self, terms: dict[str, Any], life: int) -> None:
        self._do(self.h.create(life, terms))

    @rule(payments=PAYMENTS, mine=st.integers(0, 2), turns=st.integers(0, 2))
    def pay(self, payments: list[Payment], mine: int, turns: int) -> None:
        self._pay(payments, mine, turns)

    @rule(
        fault=st.sampled_from((*LIES, *OUTVOTED)),
        who=st.integers(0, 2),
        times=st.integers(1, 3),
        payments=PAYMENTS,
        turns=st.integers(0, 3),
    )
    def pay_before_a_liar(
        self, fault: Fault, who: int, times: int, payments: list[Payment], turns: int
    ) -> None:
        """For so many answers; beside honest nodes for as long as nobody else lies."""
        if self.h.nodes.alone and fault in OUTVOTED:
            return
        self._do(self.h.lie({**fault, "times": times} if self.h.nodes.alone or times < 3 else fault, who))
        self._pay(payments, 1, turns)

    def _pay(self, payments: list[Payment], mine: int, turns: int) -> None:
        for payment in payments:
            self._do(self.h.pay(*payment))
        if mine:
            self._do(self.h.mine(mine))
        self._do(self.h.watch(turns))

    @rule(payments=PAYMENTS, count=st.integers(1, 5))
    def pay_and_go_on(self, payments: list[Payment], count: int) -> None:
        self._pay(payments[1:], count, 1)

    @rule(depth=st.integers(1, 5), drop=st.sets(st.integers(0, 3)))
    def fork(self, depth: int, drop: set[int]) -> None:
        self._do(self.h.fork(depth, drop))

    @rule(
        below=st.integers(0, 3),
        dies_at=st.none() | st.sampled_from(OF_HALTS),
        nth=st.integers(1, 2),
        operator=st.booleans(),
    )
    def deep_fork(self, below: int, dies_at: str | None, nth: int, operator: bool) -> None:
        self._do(self.h.deep_fork(below, dies_at, nth, operator))

    @rule(which=st.integers(0, 1))
    def own_address(self, which: int) -> None:
        self._do(self.h.own_address(which))

    @rule(seen=st.booleans())
    def flip(self, seen: bool) -> None:
        self._do(self.h.flip(seen))

    @rule(distance=st.integers(1, 6))
    def move_finality(self, distance: int) -> None:
        self._do(self.h.move_finality(distance))

    @rule(which=st.integers(0, 2), sure=st.integers(0, 3))
    def cancel(self, which: int, sure: int) -> None:
        """Seldom: what is canceled tells nothing of payments."""
        if sure == 3:
            self._do(self.h.cancel(which))

    @rule(of=st.integers(0, 5), to=st.integers(0, 2), accept=st.booleans())
    def decide(self, of: int, to: int, accept: bool) -> None:
        self._do(self.h.decide(of, to, accept))

    @rule(seconds=st.sampled_from((20, 45, 700)))
    def wait(self, seconds: int) -> None:
        self._do(self.h.wait(seconds))

    @rule(
        dies_at=st.none() | st.sampled_from(CRASHES), nth=st.integers(1, 3), step=st.sampled_from((32, 3, 1))
    )
    def restart(self, dies_at: str | None, nth: int, step: int) -> None:
        self._do(self.h.restart(dies_at, nth, step))

    @rule(turns=st.integers(1, 4))
    def watch(self, turns: int) -> None:
        self._do(self.h.watch(turns))

    @rule()
    def race(self) -> None:
        self._do(self.h.race())

    @rule(anew=st.booleans())
    def rest(self, anew: bool) -> None:
        self._do(self.h.rest(anew))

    def teardown(self) -> None:
        if not self.broken:
            self._do(self.h.rest(False))


def seeds() -> list[Any]:
    if CHOSEN:
        first, _, last = CHOSEN.partition("-")
        return list(range(int(first), int(last or first) + 1))
    return [*FEW, *(pytest.param(number, marks=pytest.mark.slow) for number in MANY)]


@pytest.fixture(scope="module")
def world(postgres_server: TestServer) -> Iterator[World]:
    made = World(postgres_server)
    yield made
    made.close()


@pytest.mark.parametrize("number", seeds())
def test_any_history_leaves_each_payment_counted_and_booked_once(world: World, number: int) -> None:
    machine = type("MoneyIn", (MoneyIn,), {"world": world})
    wanted = 4 if number in FEW else HISTORIES
    before = world.histories
    bounds = settings(
        max_examples=wanted,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink) if CHOSEN else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(number)(machine), settings=bounds)
    except BaseException as error:
        error.add_note(
            f"again: BASCULE_HISTORIES={number} .venv/bin/pytest -n 0 tests/simulation/{Path(__file__).name}"
        )
        raise
    assert world.histories - before >= wanted, "fewer histories were told than a seed stands for"
