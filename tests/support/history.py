"""What can happen to money in, and what must be true of it at rest; `tests/simulation` gives the order."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from bascule.domain.errors import Conflict, Halted, Rejected, Retryable
from bascule.services import halts
from bascule.services.choices import Choices
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.watcher import Watcher
from bascule.storage import addresses, blocks
from bascule.storage.ledger import verify
from tests.support.chain import calldata
from tests.support.crashing import Crash, Crashing
from tests.support.history_model import Arrived, Promise, Sums, require_promise_kept
from tests.support.history_nodes import Nodes
from tests.support.history_world import FINAL
from tests.support.lies import Fault
from tests.support.money_in import Bridge, address_of, deposit_address

TRIES = 20  # of a watcher whose nodes tell the truth again
SCALE = 10**12  # units of the currency in a base unit of the token


class History:
    """One bridge on one chain; `require_sound` compares all with what the chain and the model say.

    done: how often what happened, by name.
    """

    def __init__(self, b: Bridge, other_token: str, nodes: Nodes, dies_at: str | None = None) -> None:
        self.b, self.other_token, self.nodes = b, other_token, nodes
        self.intents: list[dict[str, Any]] = []
        self.sent: list[str] = []
        self.begun = b.node.dev.chain.index.head.number - FINAL  # final from the first on, and never replaced
        self.deepest = self.begun  # the highest block that was called final
        self.distance = FINAL
        self.done: Counter[str] = Counter()
        self.halts = 0  # of the chain so far, each of them for a deep fork
        self.watcher = self._process(NO_FAILPOINTS if dies_at is None else Crashing(dies_at))

    async def create(self, life: int, terms: dict[str, Any]) -> None:
        now = int(self.b.clock.now().timestamp())
        moments = {"expires_at": now + life, "closes_at": now + 2 * life}
        self.intents.append(await self.b.intent("10.00", **terms, **moments))

    async def pay(self, which: int, amount: str, payer: int, kind: str) -> None:
        """A payment to one of the newest intents; of a token nobody knows, or to an address of our own.

        A wallet is one from when `own_address` was told of it.
        """
        own = {"vault": 4, "wallet": 7 + which % 2}
        to = self.b.account(own[kind]).address if kind in own else deposit_address(self._intent(which))
        token = self.other_token if kind == "unknown token" else None
        self.sent.append(await self.b.send(to, amount, payer, token))

    async def mine(self, count: int) -> None:
        await self.b.mine(count)
        self._seen_final()

    async def fork(self, depth: int, drop: set[int]) -> None:
        """What nobody was told to be final is replaced, some of it for good."""
        depth = min(depth, self._head() - self.deepest)
        if depth > 0:
            gone = [tx for at, tx in enumerate(reversed(self.sent)) if at in drop]
            await self.b.node.dev.reorg(depth, drop=gone)
            self._seen_final()

    async def flip(self, seen: bool) -> None:
        """Another block is the newest for a while, seen or not; then the chain is lower, and grows again."""
        now = self.b.node.dev.chain.index.head.time
        before = await self.b.node.rpc("evm_snapshot")
        await self.b.node.rpc("evm_mine", now + 5)
        if seen:
            await self.watch(1)
        await self.b.node.rpc("evm_revert", before)
        await self.b.node.rpc("evm_mine", now + 9)
        self._seen_final()

    async def own_address(self, which: int) -> None:
        """A wallet becomes ours that may hold money since long ago."""
        async with self.b.owner.transaction() as conn:
            wallet = address_of(self.b.account(7 + which % 2))
            await addresses.add_own(conn, self.b.network.chain_id, wallet, "wallet")

    async def deep_fork(self, below: int, dies_at: str | None, nth: int, operator: bool) -> None:
        """All nodes show other blocks where ours are final: it halts within two looks, and goes on when ours
        are there again. operator: resumes before; it halts again, as nothing was believed.
        """
        await self.nodes.recover()
        cursor = await self.b.rows("SELECT finalized_number FROM cursors")
        if not cursor or cursor[0][0] <= self.begun:
            return
        [(final,)] = cursor
        await self.restart(dies_at, nth, 32)
        booked, stored = await self.b.booked(), await self.b.stored()
        self.nodes.fork(max(self.begun + 1, final - below))
        await self.mine(2)
        await self._require_halt()
        if operator:
            assert await self._resume()
            await self._require_halt()
            await self._resume()
        assert (await self.b.booked(), await self.b.stored()) == (booked, stored)
        assert await self.b.rows("SELECT finalized_number FROM cursors") == cursor
        self.nodes.tell_the_truth()
        self.done["halt"] += 1
        self.halts = await self._halts()

    async def _require_halt(self) -> None:
        """Two looks of a process halt the chain; one that dies has two looks less."""
        looks = 2
        while looks:
            looks -= 1
            try:
                await self.watcher.run_once()
            except Halted:
                break
            except Retryable as error:
                self.done[f"halting: {type(error).__name__}"] += 1
            except Crash:
                await self._die()
                looks = 2
        assert await self._halted(), "what was final is gone, and the chain goes on"

    async def _halted(self) -> bool:
        return await self.b.rows("SELECT FROM cursors WHERE halted_reason IS NOT NULL") != []

    async def _halts(self) -> int:
        [(halts,)] = await self.b.rows("SELECT halts FROM cursors")
        return int(halts)

    async def _resume(self) -> bool:
        """What the operator's command does."""
        async with self.b.owner.transaction() as conn:
            cursor = await blocks.cursor(conn, self.b.network.chain_id)
            assert cursor is not None
            details = {"reason": "looked at by hand"}
            return await halts.lift(conn, cursor, self.b.network, self.b.outbox, actor="cli", details=details)

    async def move_finality(self, distance: int) -> None:
        """The node calls other blocks final: further on, or behind what it said before."""
        self.distance = distance
        self.b.node.dev.chain.set_finality(safe=1, finalized=distance)
        self._seen_final()

    async def cancel(self, which: int) -> None:
        try:
            await self.b.cancel(self._intent(which))
        except Conflict:
            self.done["cancel refused"] += 1

    async def decide(self, of: int, to: int, accept: bool) -> None:
        """The merchant applies a deposit, of whatever state, to some intent, or accepts it."""
        found = await self.b.deposits()
        if not found:
            return
        open_ones = [deposit for deposit in found if deposit["next_steps"]] or found
        deposit = open_ones[of % len(open_ones)]
        choices = Choices(self.b.clock, self.b.outbox)
        try:
            async with self.b.api.transaction() as conn:
                if accept:
                    await choices.accept(conn, deposit["id"], account_id=self.b.merchant, livemode=False)
                else:
                    intent = self._intent(to)["id"]
                    await choices.apply(
                        conn, deposit["id"], intent, account_id=self.b.merchant, livemode=False
                    )
            self.done["decided"] += 1
        except (Rejected, Retryable) as refused:
            self.done[f"decision refused: {getattr(refused, 'code', 'retry')}"] += 1

    async def restart(self, dies_at: str | None, nth: int, step: int) -> None:
        """Another watcher takes over; it may die at a commit itself."""
        await self._let_go(self.watcher)
        points = NO_FAILPOINTS if dies_at is None else Crashing(dies_at, nth)
        far = 4 if step == 3 else 64
        self.watcher = self._process(points, blocks_per_step=step, far_distance=far)

    async def lie(self, fault: Fault, who: int) -> None:
        """A node bends its answers to the watcher; as one that lags or is stuck, it stands for another."""
        await self.nodes.lie(fault, who)

    async def wait(self, seconds: int) -> None:
        self.b.clock.advance(seconds)
        await self.nodes.wait(seconds)

    async def watch(self, turns: int) -> None:
        for _ in range(turns):
            await self._turn(self.watcher)

    async def race(self) -> None:
        """The watcher, a rival and the merchant at the same time."""
        rival = self._process()
        async with asyncio.TaskGroup() as at_once:  # nothing of it goes on in the next history
            at_once.create_task(self._turn(self.watcher))
            at_once.create_task(self._turn(rival))
            at_once.create_task(self.create(600, {}))
            at_once.create_task(self.decide(0, 0, False))
        await rival.release()

    async def rest(self, anew: bool) -> None:
        """All nodes tell the truth again, a watcher works until it has nothing to do, and all is sound.

        anew: another process, which knows nothing against them; else the one there is, an hour later.
        """
        if anew:
            self.nodes.tell_the_truth()
            await self._let_go(self.watcher)
            self.watcher = self._process()
        else:
            await self.nodes.recover()
        await self._settle()
        await self.require_sound()

    async def _settle(self) -> None:
        """Nothing is left to do; a look or two may be wasted on what a liar said before."""
        for _ in range(TRIES):
            try:
                await self.b.settle_down(self.watcher)
                return
            except Retryable as error:
                self.done[f"settling: {type(error).__name__}"] += 1
                last = error
            except Crash:
                await self._die()
        raise AssertionError(f"nodes tell the truth, and nothing moves: {last!r}")

    async def require_sound(self) -> None:
        """Rows are the chain's, intents what the model makes of them, the books hold what the chain holds."""
        await self.b.require_chain_and_rows_agree()
        await self._require_deposits()
        await self._require_intents()
        await self._require_books()
        await self._require_told()

    async def _require_deposits(self) -> None:
        """A deposit stands where its transfer stands, one for each, and is final when its block is."""
        wrong = await self.b.rows(
            "SELECT d.id FROM deposits d LEFT JOIN transfers t ON t.chain_id = d.chain_id AND t.canonical"
            " AND t.block_hash = d.block_hash AND t.log_index = d.log_index AND t.tx_hash = d.tx_hash"
            " AND t.token = d.token AND t.src = d.src AND t.dst = d.dst AND t.amount = d.amount"
            " WHERE d.state <> 'orphaned' AND t.block_hash IS NULL"
        )
        assert wrong == [], "a deposit without its transfer"
        counts = await self.b.rows(
            "SELECT count(d.id) FROM transfers t LEFT JOIN deposits d ON d.chain_id = t.chain_id"
            " AND d.block_hash = t.block_hash AND d.log_index = t.log_index AND d.state <> 'orphaned'"
            " WHERE t.canonical GROUP BY t.block_hash, t.log_index HAVING count(d.id) <> 1"
        )
        assert counts == [], "a transfer to us without its deposit, or with two"
        early = await self.b.rows(
            "SELECT d.id FROM deposits d JOIN cursors c USING (chain_id) WHERE d.state <> 'orphaned'"
            " AND (d.state = 'finalized') <> (d.block_number <= c.finalized_number)"
        )
        assert early == []

    async def _require_intents(self) -> None:
        rows = await self.b.rows(
            "SELECT id, due, underpay_tolerance_bps, underpay_tolerance_abs, late_policy, overpay_policy,"
            " expires_at, closes_at, state, finality, succeeded_by <> 'finalized', 'reversed' = ANY (flags),"
            " received, confirmed FROM payment_intents ORDER BY id"
        )
        arrived: dict[str, list[Arrived]] = {row[0]: [] for row in rows}
        for intent, amount, known, time, final, applied, credited, *rest in await self.b.rows(
            "SELECT a.intent_id, d.amount, d.token_id IS NOT NULL, b.block_time, d.state = 'finalized',"
            " a.state = 'applied', a.amount_applied, a.reason,"
            " a.chosen OR a.state = 'accepted', c.next_number - 1 - d.block_number"
            " FROM deposits d JOIN cursors c USING (chain_id)"
            " JOIN applications a ON a.deposit_id = d.id JOIN blocks b ON b.hash = d.block_hash"
            " WHERE d.state <> 'orphaned' AND a.intent_id IS NOT NULL ORDER BY d.block_number, d.log_index"
        ):
            arrived[intent].append(Arrived(int(amount), known, time, final, applied, int(credited), *rest))
        for intent, due, bps, tolerance, *terms, finality, early, gone, received, confirmed in rows:
            late, overpay, expires_at, closes_at, state = terms
            depth = int(finality.removeprefix("depth:")) if finality.startswith("depth:") else None
            promise = Promise(
                due=int(due) // SCALE,
                tolerance_bps=bps,
                tolerance=int(tolerance) // SCALE,
                late=late,
                overpay=overpay,
                expires_at=expires_at,
                closes_at=closes_at,
                state=state,
                depth=depth,
                early=bool(early),
                reversed=gone,
            )
            sums = Sums(int(received) // SCALE, int(confirmed) // SCALE)
            require_promise_kept(promise, arrived[intent], sums)

    async def _require_books(self) -> None:
        """Custody is what we hold at the final block; the merchant has what its intents were credited."""
        async with self.b.owner.read() as conn:
            assert await verify(conn) == []
        booked = await self.b.booked()
        custody = sum(units for code, units in booked.items() if code.startswith("custody"))
        assert custody == await self._held()
        [(credited,)] = await self.b.rows(
            "SELECT coalesce(sum(a.amount_applied), 0)"
            " FROM applications a JOIN deposits d ON d.id = a.deposit_id"
            " WHERE d.state = 'finalized' AND a.state IN ('applied', 'accepted')"
        )
        assert -booked.get("available:merchant", 0) == credited

    async def _held(self) -> int:
        """The token's own word of all our addresses at the final block."""
        [(final,)] = await self.b.rows("SELECT finalized_number FROM cursors")
        ours = await self.b.rows(
            "SELECT address FROM deposit_addresses UNION SELECT address FROM own_addresses"
        )
        token = "0x" + self.b.token.contract.hex()
        calls = [
            {"jsonrpc": "2.0", "id": at, "method": "eth_call", "params": [
                {"to": token, "data": calldata("balanceOf(address)", ["0x" + owner.hex()])}, hex(final)
            ]}
            for at, (owner,) in enumerate(ours)
        ]  # fmt: skip
        return sum(int(answer["result"], 16) for answer in await self.b.node.post(calls))

    async def _require_told(self) -> None:
        """Each final deposit, each success, each reversal, each halt and its end is told once."""
        events = Counter(await self.b.events())
        [(final, succeeded, reversed_, halted, resumed)] = await self.b.rows(
            "SELECT (SELECT count(*) FROM deposits WHERE state = 'finalized'),"
            " (SELECT count(*) FROM payment_intents WHERE state = 'succeeded'),"
            " (SELECT count(*) FROM payment_intents WHERE 'reversed' = ANY (flags)),"
            " (SELECT count(*) FROM audit_log WHERE action = 'chain.halt'),"
            " (SELECT count(*) FROM audit_log WHERE action = 'chain.resume')"
        )
        assert (events["deposit.finalized"], events["payment_intent.succeeded"]) == (final, succeeded)
        assert events["payment_intent.reversed"] == reversed_
        assert (events["network.degraded"], events["network.recovered"]) == (halted, resumed)
        assert halted == resumed
        assert not await self._halted()

    async def _turn(self, watcher: Watcher) -> None:
        """One turn; dying and waiting are allowed, and a halt that stays while the lone node lies."""
        try:
            await watcher.run_once()
        except Crash:
            await self._die(watcher)
        except Halted:
            lone_liar = self.nodes.alone and self.nodes.lied
            if not lone_liar or await self._halts() != self.halts:
                raise
            self.done["halt stays"] += 1
        except Retryable as error:
            self.done[type(error).__name__] += 1

    async def _die(self, watcher: Watcher | None = None) -> None:
        """Its lease is over some time later, and another process begins."""
        self.done["crash"] += 1
        await self._let_go(watcher or self.watcher)
        self.watcher = self._process()

    def _process(self, points: Failpoints = NO_FAILPOINTS, **options: Any) -> Watcher:
        return self.b.watcher(self.nodes.caller(), points, **options)

    async def _let_go(self, watcher: Watcher) -> None:
        """Its lease is over, as if time had passed; also when it dies while it lets go."""
        try:
            await watcher.release()
        except Crash:
            self.done["crash"] += 1
            await watcher.release()

    def _intent(self, which: int) -> dict[str, Any]:
        """One of the newest."""
        return self.intents[-1 - which % len(self.intents)]

    def _head(self) -> int:
        """The chain's own word; the node may lie just now."""
        return self.b.node.dev.chain.index.head.number

    def _seen_final(self) -> None:
        self.deepest = max(self.deepest, self._head() - self.distance)
