"""Random histories of money in: pay, mine, fork back and forth, crash, race, cancel.

Chain and domain are the oracle. The same seed moves the same things;
BASCULE_HISTORIES="first-last" chooses other seeds.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from bascule.domain import matching
from bascule.domain.application import ApplicationState
from bascule.domain.deposit import DepositState
from bascule.domain.errors import Conflict, Rejected, Retryable
from bascule.domain.matching import Decision
from bascule.domain.payment_intent import PAYMENT_INTENT, IntentState
from bascule.services import matches
from bascule.services.choices import Choices
from bascule.services.failpoints import NO_FAILPOINTS
from bascule.services.watcher import Watcher
from bascule.storage import applications, deposits, payment_intents, tokens
from bascule.storage.ledger import verify
from tests.support.chain import calldata, deploy_dollar
from tests.support.money_in import FUNDS, Bridge, Crash, Crashing, OpenAs, bridge, deposit_address

FIRST, _, LAST = os.environ.get("BASCULE_HISTORIES", "1-3").partition("-")
STEPS = 22
FINAL = 3  # blocks between the head and finality
AMOUNTS = ("10.00", "10.00", "4.00", "6.00", "9.90", "0.01", "12.00", "25.00")
TERMS: tuple[dict[str, Any], ...] = (
    {},
    {"overpay": "keep"},
    {"underpay_tolerance_bps": 100},
    {"underpay_tolerance_abs": "0.50", "overpay": "keep"},
)
CRASHES = (
    *("watcher.before_commit", "watcher.after_commit", "watcher.before_finalize_commit"),
    *("watcher.before_reorg", "watcher.after_reorg", None, None, None),
)


class History:
    """One bridge on one chain, moved by chance; `check` compares all with what chain and domain say."""

    def __init__(self, b: Bridge, chance: random.Random, other_token: str) -> None:
        self.b, self.chance, self.other_token = b, chance, other_token
        self.intents: list[dict[str, Any]] = []
        self.sent: list[str] = []
        self.watcher: Watcher = b.watcher()
        self.done: Counter[str] = Counter()

    async def step(self) -> None:
        """One thing happens."""
        moves = {
            self.create: 3, self.pay: 8, self.mine: 5, self.fork: 4, self.flip: 3, self.cancel: 1,
            self.wait: 1, self.restart: 2, self.watch: 6, self.race: 2, self.decide: 4,
        }  # fmt: skip
        [move] = self.chance.choices(list(moves), list(moves.values()))
        self.done[move.__name__] += 1
        await move()

    async def create(self) -> None:
        now = int(self.b.clock.now().timestamp())
        life = self.chance.choice([30, 600])
        late = self.chance.choice(["accept", "hold"])
        moments = {"expires_at": now + life, "closes_at": now + 2 * life, "late": late}
        self.intents.append(await self.b.intent("10.00", **self.chance.choice(TERMS), **moments))

    async def pay(self) -> None:
        """A payment, one of a token nobody knows, or money for the vault; perhaps two in one block."""
        if not self.intents:
            return
        for _ in range(self.chance.choice([1, 1, 2])):
            to = deposit_address(self.chance.choice(self.intents[-3:]))
            if self.chance.random() < 0.1:
                to = self.b.account(4).address
            token = self.other_token if self.chance.random() < 0.1 else None
            payer = self.chance.choice([1, 2, 3])
            self.sent.append(await self.b.send(to, self.chance.choice(AMOUNTS), payer, token))

    async def mine(self) -> None:
        await self.b.mine(self.chance.choice([1, 1, 2, 4]))

    async def fork(self) -> None:
        """What is not final is replaced, some of it for good."""
        await self.b.node.dev.reorg(
            self.chance.randint(1, await self._forkable()),
            drop=[tx for tx in self.sent if self.chance.random() < 0.2],
        )

    async def flip(self) -> None:
        """Block A, then B in its place, then A again, the very same; seen each time, or not."""
        now = int((await self.b.node.rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
        for later in (5, 9, 5):
            before = await self.b.node.rpc("evm_snapshot")
            await self.b.node.rpc("evm_mine", now + later)
            if self.chance.random() < 0.7:
                await self.watch()
            await self.b.node.rpc("evm_revert", before)
        await self.b.node.rpc("evm_mine", now + 5)

    async def cancel(self) -> None:
        if self.intents:
            try:
                await self.b.cancel(self.chance.choice(self.intents))
            except Conflict:
                self.done["cancel refused"] += 1

    async def decide(self) -> None:
        """The merchant applies a deposit, of whatever state, to some intent, or accepts it."""
        found = await self.b.deposits()
        if not found or not self.intents:
            return
        deposit = self.chance.choice([d for d in found if d["next_steps"]] or found)
        intent = self.chance.choice(self.intents)
        choices, whose = Choices(self.b.clock, self.b.outbox), (self.b.merchant, False)
        try:
            async with self.b.api.transaction() as conn:
                if self.chance.random() < 0.7:
                    await choices.apply(
                        conn, deposit["id"], intent["id"], account_id=whose[0], livemode=whose[1]
                    )
                else:
                    await choices.accept(conn, deposit["id"], account_id=whose[0], livemode=whose[1])
            self.done["decided"] += 1
        except (Rejected, Retryable) as refused:
            self.done[f"decision refused: {getattr(refused, 'code', 'retry')}"] += 1

    async def wait(self) -> None:
        self.b.clock.advance(self.chance.choice([20, 45, 700]))

    async def restart(self) -> None:
        """Another watcher takes over, and may die at a commit itself."""
        await self.watcher.release()
        where = self.chance.choice(CRASHES)
        points = NO_FAILPOINTS if where is None else Crashing(where, self.chance.randint(1, 3))
        step = self.chance.choice([2, 32])
        self.watcher = self.b.watcher(failpoints=points, blocks_per_step=step)

    async def watch(self) -> None:
        """A few steps of the watcher; dying is allowed."""
        for _ in range(self.chance.randint(1, 4)):
            await self._survive(self.watcher)

    async def race(self) -> None:
        """The watcher, a rival and the merchant at the same time."""
        rival = self.b.watcher()
        await asyncio.gather(
            self._survive(self.watcher), self._survive(rival), self.cancel(), self.create(),
            self.decide(),
        )  # fmt: skip
        await rival.release()

    async def _survive(self, watcher: Watcher) -> None:
        try:
            await watcher.run_once()
        except Crash:
            self.done["crash"] += 1
            await watcher.release()
            self.watcher = self.b.watcher()
        except Retryable:
            self.done["retry"] += 1

    async def check(self) -> None:
        """At rest, rows are what chain and domain make of it, and the books hold what the chain holds."""
        await self.watcher.release()
        self.watcher = self.b.watcher()
        await self.b.settle_down(self.watcher)
        await self.b.require_chain_and_rows_agree()
        [(final,)] = await self.b.rows("SELECT finalized_number FROM cursors")
        await self._require_deposits(final)
        for intent in self.intents:
            await self._require_intent(intent["id"])
        await self._require_books(final)

    async def _require_deposits(self, final: int) -> None:
        """A deposit stands where its transfer stands, and is final when its block is."""
        wrong = await self.b.rows(
            "SELECT d.id FROM deposits d JOIN transfers t ON t.chain_id = d.chain_id"
            " AND t.block_hash = d.block_hash AND t.log_index = d.log_index"
            " WHERE t.canonical <> (d.state <> 'orphaned') OR t.amount <> d.amount OR t.src <> d.src"
        )
        assert wrong == []
        missing = await self.b.rows(
            "SELECT t.tx_hash FROM transfers t LEFT JOIN deposits d ON d.chain_id = t.chain_id"
            " AND d.block_hash = t.block_hash AND d.log_index = t.log_index"
            " WHERE t.canonical AND d.id IS NULL"
        )
        assert missing == []
        for number, state in await self.b.rows("SELECT block_number, state FROM deposits"):
            assert state == "orphaned" or (state == "finalized") == (number <= final)

    async def _require_intent(self, intent_id: str) -> None:
        async with self.b.db.read() as conn:
            row = await payment_intents.get(conn, intent_id)
            assert row is not None
            terms = matches.terms_of(row, {token.id: token for token in await tokens.every(conn)})
            seen = (await deposits.of_intents(conn, [intent_id]))[intent_id]
            fixed = await applications.of_deposits(conn, [s.deposit_id for s in seen])
        stored = {k: Decision(f.state, f.reason, f.amount_applied) for k, f in fixed.items()}
        assert stored.keys() == {s.deposit_id for s in seen}
        again = matching.decide(terms, row.state, seen, fixed, flags=())
        assert (dict(again.decisions), again.events) == (stored, ()), "deciding again changes nothing"
        assert (row.received, row.confirmed) == (again.received, again.confirmed)
        if row.state in PAYMENT_INTENT.finals:
            return
        alive = [s for s in seen if s.state is not DepositState.ORPHANED]
        if any(each.chosen or each.state is ApplicationState.ACCEPTED for each in fixed.values()):
            return  # what the merchant decided, rows of the chain do not tell
        fresh = matching.decide(terms, IntentState.REQUIRES_ACTION, alive, {})
        assert (fresh.received, fresh.state) == (row.received, row.state)
        assert all(stored[k] == decision for k, decision in fresh.decisions.items())

    async def _require_books(self, final: int) -> None:
        async with self.b.owner.read() as conn:
            assert await verify(conn) == []
        booked = await self.b.booked()
        custody = sum(units for code, units in booked.items() if code.startswith("custody"))
        assert custody == await self._held(final)
        [(credited,)] = await self.b.rows(
            "SELECT coalesce(sum(a.amount_applied), 0)"
            " FROM applications a JOIN deposits d ON d.id = a.deposit_id"
            " WHERE d.state = 'finalized'"
            " AND a.state IN ('applied', 'accepted') AND a.amount_applied <= d.amount"
        )
        assert -booked.get("available:merchant", 0) == credited

    async def _held(self, final: int) -> int:
        """What all our addresses hold of the token at the final block, by the chain's own word."""
        ours = [self.b.account(number).address for number in (4, 5, 6)]
        ours += [deposit_address(intent) for intent in self.intents]
        contract = "0x" + self.b.token.contract.hex()
        held = [
            await self.b.node.read(contract, "balanceOf(address)", [who], "uint256", hex(final))
            for who in ours
        ]
        return sum(held)

    async def _forkable(self) -> int:
        """How deep the chain may change without touching what is final here."""
        found = await self.b.rows("SELECT finalized_number FROM cursors")
        head = int(await self.b.node.rpc("eth_blockNumber"), 16)
        return max(1, min(FINAL, head - found[0][0])) if found else 1


def seeds() -> Iterable[int]:
    return range(int(FIRST), int(LAST or FIRST) + 1)


async def unknown_token(b: Bridge) -> str:
    """A token nobody here knows; the payers have some."""
    contract = await deploy_dollar(b.node, b.account(0))
    for number in (1, 2, 3):
        data = calldata("mint(address,uint256)", [b.account(number).address, FUNDS])
        await b.node.send(b.account(0), to=contract, data=data)
    await b.mine(FINAL + 1)
    return contract


@pytest.mark.parametrize("seed", seeds())
async def test_any_history_leaves_each_payment_counted_and_booked_once(db_as: OpenAs, seed: int) -> None:
    async with bridge(db_as) as b:
        story = History(b, random.Random(seed), await unknown_token(b))
        await story.watcher.run_once()
        for count in range(STEPS):
            await story.step()
            if count % 8 == 7:
                await story.check()
        await b.mine(FINAL + 1)
        await story.check()
