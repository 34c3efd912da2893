"""A whole bridge in one process whose every worker may die at a failpoint and is then made anew.

Real database, chain, contracts, signatures and HTTP; a worker works when the story lets it. A death throws
away the worker's object alone: what its successor finds is what was committed, sent or written.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg

from bascule.chain.rpc import Rpc
from bascule.domain import anchor, authorization, call_off, flush
from bascule.domain.chain import Address, caip2, checksum
from bascule.domain.errors import Retryable
from bascule.entrypoints.api import ApiDeps, create_app
from bascule.entrypoints.schedule import Due, claimed
from bascule.services.anchor_planner import AnchorPlanner
from bascule.services.biller import Biller
from bascule.services.dispatcher import Dispatcher
from bascule.services.expirer import Expirer
from bascule.services.flush_planner import FlushPlanner
from bascule.services.http_sender import HttpSender
from bascule.services.intents import Intents
from bascule.services.mandates import Mandates
from bascule.services.reconciler import Reconciler
from bascule.services.refund_steps import RefundSteps
from bascule.services.refunder import Refunder
from bascule.services.report_runs import ReportRuns
from bascule.services.reporter import Reporter
from bascule.services.seams import SystemEntropy
from bascule.services.sequencer import Sequencer
from bascule.services.settlement_steps import SettlementSteps
from bascule.services.settler import Settler
from bascule.services.signer import Signer
from bascule.services.signing_intents import Intent, MarksAnswer, MarksOf, Rules, RulesQuestion, Signed
from bascule.services.submitter import Submitter
from bascule.services.watcher import Watcher
from bascule.signing.keystore import LocalKey
from bascule.storage.database import Database
from tests.support.anchors import ACCOUNT, Notary
from tests.support.api import PEPPER, SEED
from tests.support.chain import calldata
from tests.support.crashing import Armed, Crash
from tests.support.flushing import EAGER, SWEEPER, add_sweeper
from tests.support.kill_people import people
from tests.support.money_out import LANE_NAME, OpenAs, Treasury, approver, sign_typed, treasury
from tests.support.oracle import Chain, Sound, judge, require_events_told
from tests.support.paying_x402 import open_facilitator
from tests.support.receiver import Receiver, local_sender, receiver

ENTROPY = SystemEntropy()
PAYER, CANCELLER, FACILITATOR, MINTED = 8, 4, 9, 10**12
ROUNDS_MAX = 40
Make = Callable[[], Any]


class SignerOverWire:
    """The signer as its socket shows it: one that dies gives no answer, and the asker lives."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def rules(self, asked: RulesQuestion) -> Rules:
        told: Rules = await self._world.worker("signer").rules(asked)
        return told

    async def sign(self, intent: Intent) -> Signed:
        try:
            signed: Signed = await self._world.worker("signer").sign(intent)
        except Crash:
            self._world.bury("signer")
            raise Retryable("the signer does not answer") from None
        return signed

    async def marks(self, asked: MarksOf) -> MarksAnswer:
        told: MarksAnswer = await self._world.worker("signer").marks(asked)
        return told


@dataclass
class World:
    """The treasury of money out, a merchant whose customers pay, and a receiver of everybody's webhooks."""

    stage: Treasury
    worker_db: Database
    watcher_db: Database
    inbox: Receiver
    sender: HttpSender
    merchant: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    points: Armed = field(default_factory=lambda: Armed({}))
    alive: dict[str, Any] = field(default_factory=dict)
    deaths: int = 0
    requests: int = 0
    told: list[str] = field(default_factory=list)

    # ── life and death ──

    def worker(self, name: str) -> Any:
        """The living one, or a new one."""
        if name not in self.alive:
            self.alive[name] = self._makers()[name]()
        return self.alive[name]

    async def arm(self, armed: Mapping[str, int]) -> None:
        """Everybody is made anew, and some of them are to die."""
        self.points = Armed(armed)
        self.alive.clear()
        await self._leases_run_out()

    def bury(self, name: str) -> None:
        self.deaths += 1
        self.alive.pop(name, None)

    def _makers(self) -> dict[str, Make]:
        stage, points, worker = self.stage, self.points, self.worker_db
        clock, outbox = stage.clock, stage.use_cases.outbox
        return {
            "watcher": lambda: Watcher(
                self.watcher_db, self._rpc(self.watcher_db), stage.network,
                clock=clock, entropy=ENTROPY, outbox=outbox, failpoints=points,
            ),
            "submitter": lambda: self._submitter(LANE_NAME),
            "sweeper": lambda: self._submitter(flush.LANE),
            "canceller": lambda: self._submitter(call_off.LANE),
            "anchor": lambda: self._submitter(anchor.LANE),
            "presenter": lambda: self._submitter(authorization.LANE),
            "anchor_planner": lambda: AnchorPlanner(worker, clock, points),
            "signer": lambda: Signer(
                stage.signers_db, [_key(stage, n) for n in (1, SWEEPER, CANCELLER, ACCOUNT, FACILITATOR)],
                clock, deposit_seed=SEED, failpoints=points,
            ),
            "sequencer": lambda: Sequencer(worker, clock, ENTROPY, points),
            "dispatcher": lambda: Dispatcher(worker, clock, ENTROPY, outbox, self.sender, points),
            "expirer": lambda: self._due(
                Expirer(
                    worker,
                    clock,
                    Intents(clock, ENTROPY, outbox, deposit_seed=b""),
                    Mandates(clock, ENTROPY, outbox),
                    points,
                )
            ),
            "reconciler": lambda: self._due(
                Reconciler(
                    worker, clock, ENTROPY, outbox, {stage.network.chain_id: self._rpc(worker)}, points
                )
            ),
            "refunder": lambda: Refunder(worker, RefundSteps(clock, outbox, stage.use_cases), points),
            "biller": lambda: Biller(worker, clock, ENTROPY, outbox, points),
            "settler": lambda: Settler(
                worker, SettlementSteps(clock, ENTROPY, outbox, stage.use_cases), points
            ),
            "reporter": lambda: Reporter(worker, ReportRuns(clock, ENTROPY, outbox), {}, points),
            "planner": lambda: FlushPlanner(
                worker, clock, ENTROPY, {stage.network.chain_id: self._rpc(worker)}, EAGER, points
            ),
            "api": lambda: create_app(
                ApiDeps(
                    stage.api, clock, ENTROPY, PEPPER, SEED,
                    allow_local_webhooks=True, public_url="http://bridge.test", failpoints=points,
                    refund_cool_off_s=0, settlement_cool_off_s=0, settle_wait_s=0,
                    nodes={stage.network.chain_id: self._rpc(stage.api)},
                )
            ),
        }  # fmt: skip

    def _submitter(self, lane: str) -> Submitter:
        stage = self.stage
        return Submitter(
            stage.submitters_db, self._rpc(stage.submitters_db), SignerOverWire(self), stage.network, lane,
            clock=stage.clock, outbox=stage.use_cases.outbox, holder=ENTROPY.bytes(8).hex(),
            failpoints=self.points,
        )  # fmt: skip

    async def work_at(self, name: str, times: int = 6) -> None:
        """The worker and its successors, should it die."""
        for _ in range(times):
            await self.work(name)

    def _rpc(self, db: Database) -> Rpc:
        return Rpc(self.stage.node.url, session=self.stage.session, guard=db.refuse_open_transaction)

    def _due(self, worker: Any) -> Callable[[], Awaitable[None]]:
        return claimed(self.worker_db, self.stage.clock, Due(worker, 1), self.points)

    async def work(self, name: str) -> None:
        """The worker works until it has nothing to do, or dies and its leases run out."""
        try:
            await self._until_idle(name)
        except Crash:
            worker = self.alive.get(name)
            if isinstance(worker, Dispatcher):
                await worker.close()
            self.bury(name)
            await self._leases_run_out()
        except Retryable as waits:
            self.told.append(f"{name} waits: {waits}")

    async def _leases_run_out(self) -> None:
        """What the dead held is free again, as it is when the database's clock has gone on."""
        await self.stage.rows_change("UPDATE leases SET expires_at = clock_timestamp()")
        await self.stage.rows_change(
            "UPDATE deliveries SET lease_until = clock_timestamp() WHERE lease_until IS NOT NULL"
        )
        await self.stage.rows_change(
            "UPDATE report_runs SET leased_until = clock_timestamp() WHERE state = 'running'"
        )

    async def _until_idle(self, name: str) -> None:
        worker = self.worker(name)
        if name in ("expirer", "reconciler"):
            await worker()
        elif name == "dispatcher":
            await worker.drain()
        else:
            while await worker.run_once():
                pass

    async def rest(self) -> None:
        """Everybody works, block after block, until nothing is under way; then all of it is judged."""
        for _ in range(ROUNDS_MAX):
            for name in (
                "watcher", "submitter", "sweeper", "canceller", "anchor", "presenter",
                "refunder", "settler", "sequencer", "dispatcher", "expirer",
            ):  # fmt: skip
                await self.work(name)
            if await self._idle():
                break
            await self.stage.node.dev.mine()
        else:
            raise AssertionError(
                f"no rest after {self.points.fired}: {await self._under_way()}; {self.told[-3:]}"
            )
        for _ in range(ROUNDS_MAX):
            before = self.deaths
            await self.work("reconciler")
            if self.deaths == before:
                break
            self.stage.clock.advance(timedelta(seconds=1))  # a due run that was lost is not done again
        await asyncio.to_thread(self.judge, ask_balances=False)

    async def _idle(self) -> bool:
        return not any((await self._under_way()).values())

    async def _under_way(self) -> dict[str, int]:
        [row] = await self.stage.rows(
            "SELECT (SELECT count(*) FROM payouts WHERE state IN ('pending', 'in_transit')),"
            " (SELECT count(*) FROM slots WHERE state <> 'final'),"
            " (SELECT count(*) FROM deposits WHERE state = 'detected'),"
            " (SELECT count(*) FROM outbox WHERE NOT sequenced),"
            " (SELECT count(*) FROM deliveries WHERE state = 'scheduled'),"
            " (SELECT count(*) FROM flushes WHERE ended_at IS NULL),"
            " (SELECT count(*) FROM authorizations WHERE ended_at IS NULL)"
        )
        names = ("payouts", "slots", "deposits", "outbox", "deliveries", "flushes", "authorizations")
        return dict(zip(names, row, strict=True))

    def judge(self, *, ask_balances: bool = True) -> Sound:
        """The oracles, in a thread of their own: they speak to chain and database as a stranger does."""
        got: defaultdict[str, set[bytes]] = defaultdict(set)
        for _, headers, body in self.inbox.got:
            got[headers["webhook-id"]].add(body)
        ready = {
            "tokens": [{"contract": "0x" + self.stage.token.contract.hex()}],
            "vault": self.stage.vault,
        }
        with psycopg.connect(self.stage.owner.url, autocommit=True) as conn:
            require_events_told(conn, got)
            residuals = conn.execute("SELECT id FROM reconciliations WHERE residual <> 0").fetchall()
            assert residuals == [], "books and chain differed"
            return judge(Chain(self.stage.node.url), conn, ready, ask_balances=ask_balances)

    # ── the world ──

    async def call(self, path: str, body: Mapping[str, Any] | None = None, who: str = "merchant") -> Any:
        """A request of a client that tries again, with the same key, until it is answered."""
        self.requests += 1
        headers = {
            "authorization": f"Bearer {self.keys[who]}",
            "idempotency-key": f"request-{self.requests}",
        }
        while True:
            transport = httpx.ASGITransport(app=self.worker("api"))
            async with httpx.AsyncClient(transport=transport, base_url="http://bridge.test") as client:
                try:
                    method = "GET" if body is None else "POST"
                    answer = await client.request(method, path, json=body, headers=headers)
                except Crash:
                    self.bury("api")
                    continue
            assert answer.status_code == 200, answer.text
            return answer.json()

    async def claim(self, url: str, address: str) -> None:
        """A customer says where a refund goes, again until the page says that it knows."""
        while True:
            transport = httpx.ASGITransport(app=self.worker("api"))
            async with httpx.AsyncClient(transport=transport, base_url="http://bridge.test") as client:
                try:
                    answer = await client.post(url, data={"address": address, "confirm": "yes"})
                except Crash:
                    self.bury("api")
                    continue
            assert answer.status_code in (303, 409), (
                answer.text
            )  # 409: the link was used, by the one who died
            return

    async def intent(self, amount: str = "10.00", **more: Any) -> dict[str, Any]:
        made: dict[str, Any] = await self.call(
            "/v1/payment_intents", {"amount": amount, "currency": "usdt", **more}
        )
        return made

    async def pay(self, intent: Mapping[str, Any]) -> str:
        """A customer's transfer of what is due, offered to the chain; returns its hash."""
        [details] = intent["next_action"]["display_deposit_details"]["deposit_addresses"].values()
        units = int(details["supported_tokens"][0]["amount_atomic"])
        data = calldata("transfer(address,uint256)", [details["address"], units])
        contract = checksum(self.stage.token.contract)
        return await self.stage.node.send(self.stage.node.accounts[PAYER], to=contract, data=data)

    async def payout(self, amount: str = "10.00", *, approved: bool = True) -> dict[str, Any]:
        """A payout to an address of its own, with the approvals it needs."""
        to = checksum(Address(ENTROPY.bytes(20)))
        network = caip2(self.stage.network.chain_id)
        asked = {"amount": amount, "currency": "usdt", "network": network, "destination": to}
        made: dict[str, Any] = await self.call("/v1/payouts", asked, "treasury")
        return await self.approve(made) if approved else made

    async def approve(self, payout: Mapping[str, Any], who: str = "treasury") -> dict[str, Any]:
        path = f"/v1/payouts/{payout['id']}"
        now: dict[str, Any] = await self.call(path, None, who)
        for number in (1, 2):
            person = approver(number)
            signature = sign_typed(person, now["next_action"]["typed_data"])
            given = {"approver": person.address, "signature": signature}
            now = await self.call(path + "/approve", given, who)
        return now

    async def require(self, payout: Mapping[str, Any] | None, intent: Mapping[str, Any] | None) -> None:
        """The end of an everyday story: paid is paid, received is received."""
        if payout is not None:
            now = await self.call(f"/v1/payouts/{payout['id']}", None, "treasury")
            assert now["status"] == "paid", now
        if intent is not None:
            now = await self.call(f"/v1/payment_intents/{intent['id']}")
            assert now["status"] == "succeeded", now


def _key(stage: Treasury, account: int) -> LocalKey:
    return LocalKey(bytes.fromhex(stage.node.accounts[account].private_key[2:]))


@asynccontextmanager
async def kill_world(open_as: OpenAs, folder: Path) -> AsyncIterator[World]:
    """A world at rest: money in the vault, a customer with money, everybody's webhooks to one receiver."""
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(treasury(open_as, folder))
        inbox = await stack.enter_async_context(receiver())
        sender = await stack.enter_async_context(local_sender())
        await add_sweeper(stage)
        await stage.open_canceller()
        world = World(stage, await open_as("worker"), await open_as("watcher"), inbox, sender)
        await Notary(stage, world.worker_db).open()
        await open_facilitator(stage, FACILITATOR)
        world.merchant, world.keys = await people(stage)
        data = calldata("mint(address,uint256)", [stage.node.accounts[PAYER].address, MINTED])
        await stage.node.send(stage.node.accounts[0], to=checksum(stage.token.contract), data=data)
        await stage.follow(3)
        await stage.watcher.release()
        for who in ("merchant", "treasury"):
            hook = {"url": f"{inbox.url}/{who}", "enabled_events": ["*"]}
            await world.call("/v1/webhook_endpoints", hook, who)
        await world.rest()
        try:
            yield world
        finally:
            with contextlib.suppress(KeyError):
                await world.alive["dispatcher"].close()
