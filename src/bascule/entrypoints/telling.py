"""What the worker does by turns: sends events, ends what is overdue, compares books with chains."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from bascule.entrypoints import billing, rating, reports
from bascule.entrypoints.descriptors import raise_limit
from bascule.entrypoints.flushing import flush_settings
from bascule.entrypoints.nodes import keeping, measured, nodes, pardoning
from bascule.entrypoints.reconciling import reconciling
from bascule.entrypoints.refunding import refunder
from bascule.entrypoints.schedule import Due, Loop
from bascule.entrypoints.settling import settler
from bascule.entrypoints.wiring import Seams, Settings, Work, database, refuse_local_webhooks
from bascule.services.anchor_planner import AnchorPlanner
from bascule.services.dispatcher import Dispatcher
from bascule.services.egress import EgressRules
from bascule.services.expirer import Expirer
from bascule.services.flights import QUICK_LANE, Flights, Lanes, fitting
from bascule.services.flush_planner import FlushPlanner
from bascule.services.forgetter import Forgetter
from bascule.services.http_sender import HttpSender
from bascule.services.intents import Intents
from bascule.services.mandates import Mandates
from bascule.services.partitioner import Partitioner
from bascule.services.rescreener import Rescreener
from bascule.services.sealer import Sealer
from bascule.services.sequencer import Sequencer
from bascule.services.unpaid_prover import UnpaidProver

log = structlog.get_logger()

UNPAID_INTERVAL_S = 60
FORGET_INTERVAL_S = 60
PARTITION_INTERVAL_S = 3_600  # half a partition lasts an hour at 13,000 transactions a second


@asynccontextmanager
async def telling(settings: Settings, seams: Seams) -> AsyncIterator[Work]:
    """A worker with all its turns, on a database of its own role; what it opened is closed at the end."""
    poll_s = settings.poll_interval_ms / 1000
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(database(settings, "worker"))
        await refuse_local_webhooks(settings, db)
        meters = measured(settings)
        rpcs = await stack.enter_async_context(nodes(settings, db.refuse_open_transaction, meters))
        rules = EgressRules(settings.webhook_allow_local)
        sender = await stack.enter_async_context(
            HttpSender(db.refuse_open_transaction, rules, settings.webhook_timeout_s)
        )
        sequencer = Sequencer(db, seams.clock, seams.entropy, seams.failpoints)
        dispatcher = Dispatcher(
            db, seams.clock, seams.entropy, seams.outbox, sender, seams.failpoints,
            lease_s=settings.webhook_timeout_s + 10,  # outlives the longest post, or a second one follows
            flights=Flights(*_lanes(settings)),
        )  # fmt: skip
        stack.push_async_callback(dispatcher.stop)
        # closing and expiring derive no address, so the worker is not given the seed
        intents = Intents(seams.clock, seams.entropy, seams.outbox, deposit_seed=b"")
        mandates = Mandates(seams.clock, seams.entropy, seams.outbox)
        planner = FlushPlanner(
            db, seams.clock, seams.entropy, rpcs, flush_settings(settings), seams.failpoints
        )
        if meters is not None:
            meters.flushing = planner.counters
            meters.tells_money, meters.webhooks, meters.entered = True, dispatcher, sequencer.entered
        due = [
            Due(Expirer(db, seams.clock, intents, mandates, seams.failpoints), settings.expire_interval_s),
            *reconciling(db, seams, rpcs, settings.reconcile_interval_s),
            Due(planner, settings.flush_interval_s),
            Due(UnpaidProver(db, seams.clock, rpcs), UNPAID_INTERVAL_S),
            Due(Sealer(db, seams.clock), settings.seal_interval_s),
            Due(Partitioner(db), PARTITION_INTERVAL_S),
            Due(Forgetter(db, seams.clock), FORGET_INTERVAL_S),
            Due(AnchorPlanner(db, seams.clock, seams.failpoints), settings.anchor_interval_s),
            *reports.due(settings, db, seams),
            billing.due(db, seams, settings.expire_interval_s),
            *await rating.due(settings.rates, db, seams.clock, stack),
        ]
        loops = [
            Loop(sequencer, poll_s, channel="bascule_outbox"),
            Loop(dispatcher, poll_s, channel="bascule_deliveries", busy=lambda: dispatcher.in_flight > 0),
            Loop(refunder(db, seams), poll_s),
            Loop(settler(db, seams), poll_s),
            reports.loop(settings, db, seams, poll_s),
            Loop(Rescreener(db, seams.clock, seams.entropy), poll_s),
            pardoning(db, rpcs),
            keeping(db, rpcs, seams.clock, seams.failpoints),
        ]
        yield Work(db, {}, loops, due, meters)


def _lanes(settings: Settings) -> Lanes:
    """What the system's limit of open files lets through; said where it is less than what is set."""
    granted = raise_limit()
    fit = fitting(granted, settings.webhook_in_flight)
    if fit.quick < QUICK_LANE or fit.slow < settings.webhook_in_flight:
        log.warning(
            "fewer webhooks at once than set", open_files=granted, quick=fit.quick, slow=fit.slow,
            wanted=settings.webhook_in_flight, next_step="raise the hard limit of open files (ulimit -Hn)",
        )  # fmt: skip
    return fit
