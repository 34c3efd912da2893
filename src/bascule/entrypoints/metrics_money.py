"""How the money stands, as metrics: said by the worker alone, whose login may read all; and what moves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from bascule.domain.chain import ChainId, caip2
from bascule.domain.payment_intent import IntentState
from bascule.domain.payout import PayoutState
from bascule.domain.spread import Spread
from bascule.services.dispatcher import RESULTS
from bascule.services.flights import Flights
from bascule.storage.posting_times import PostingTimes
from bascule.storage.standing import Standing


def standing(found: Standing | None) -> Iterator[Metric]:
    """What the database said when it was asked last; no samples where nobody asked."""
    residual = GaugeMetricFamily(
        "bascule_recon_residual_units",
        "Base units by which chain and journal differed at the last comparison; 0, or something is wrong.",
        labels=["chain", "asset"],
    )
    breaks = GaugeMetricFamily(
        "bascule_recon_open_breaks", "Contradictions that nobody resolved.", labels=["type"]
    )
    oldest = GaugeMetricFamily(
        "bascule_recon_oldest_break_seconds", "For how long the oldest of them is open.", labels=["type"]
    )
    payouts = GaugeMetricFamily("bascule_payouts_open", "Payouts that have not ended.", labels=["state"])
    age = GaugeMetricFamily(
        "bascule_payout_age_seconds", "Since when the oldest of them was asked for.", labels=["state"]
    )
    screened = GaugeMetricFamily(
        "bascule_screenings_open", "Deposits and payouts that wait for the compliance role's decision."
    )
    longest = GaugeMetricFamily(
        "bascule_screenings_oldest_seconds", "For how long the oldest of them waits; 0 when none does."
    )
    outbox = GaugeMetricFamily("bascule_outbox_oldest_seconds", "For how long an event waits for its number.")
    overdue = GaugeMetricFamily(
        "bascule_webhook_overdue_seconds", "For how long the next attempt at a delivery is overdue."
    )
    failing = GaugeMetricFamily(
        "bascule_webhook_endpoints_failing", "Enabled endpoints that took nothing at their last attempt."
    )
    unsealed = GaugeMetricFamily(
        "bascule_audit_unsealed_rows", "Postings and lines of audit that no seal covers yet."
    )
    sealed = GaugeMetricFamily("bascule_seal_age_seconds", "Age of the newest seal; none before the first.")
    room = GaugeMetricFamily(
        "bascule_ledger_room_transactions",
        "Transactions that the journal has room for; below 50 million for hours, nobody makes more.",
    )
    gap = GaugeMetricFamily(
        "bascule_signer_nonce_gap",
        "Nonces given out since the lowest that no block has consumed; not for long above 0.",
        labels=["chain", "wallet"],
    )
    if found is not None:
        for each in found.residuals:
            residual.add_metric([caip2(ChainId(each.chain_id)), each.currency], each.units)
        for kind in found.breaks:
            breaks.add_metric([kind.kind], kind.open)
            oldest.add_metric([kind.kind], kind.oldest_s)
        for state in found.payouts:
            payouts.add_metric([state.kind], state.open)
            age.add_metric([state.kind], state.oldest_s)
        if found.screened is not None:
            screened.add_metric([], found.screened.open)
            longest.add_metric([], found.screened.oldest_s)
        outbox.add_metric([], found.outbox_s)
        overdue.add_metric([], found.delivery_s)
        failing.add_metric([], found.failing)
        unsealed.add_metric([], found.unsealed_rows)
        if found.seal_s is not None:
            sealed.add_metric([], found.seal_s)
        room.add_metric([], found.room)
        for lane in found.gaps:
            gap.add_metric([caip2(ChainId(lane.chain_id)), lane.lane], lane.nonces)
    yield from (residual, breaks, oldest, payouts, age, screened, longest)
    yield from (outbox, overdue, failing, unsealed, sealed, room)
    yield gap


class Delivering(Protocol):
    """How attempts at deliveries ended, the seconds they took, and what is in flight."""

    attempts: Counter[str]
    durations: Spread
    flights: Flights


def webhooks(dispatcher: Delivering | None) -> Iterator[Metric]:
    """How this process's attempts at deliveries ended since it started."""
    counted = CounterMetricFamily(
        "bascule_webhook_attempts", "Attempts at deliveries, by how they ended.", labels=["result"]
    )
    took = HistogramMetricFamily(
        "bascule_webhook_delivery_duration_seconds", "How long attempts at deliveries took.", labels=[]
    )
    aloft = GaugeMetricFamily(
        "bascule_webhook_in_flight", "Attempts that wait for an answer, by their lane.", labels=["lane"]
    )
    if dispatcher is not None:
        for result in RESULTS:
            counted.add_metric([result], dispatcher.attempts[result])
        took.add_metric([], dispatcher.durations.buckets(), dispatcher.durations.total)
        aloft.add_metric(["quick"], len(dispatcher.flights.quick))
        aloft.add_metric(["slow"], len(dispatcher.flights.slow))
    yield from (counted, took, aloft)


def states(entered: Mapping[tuple[str, str], int] | None) -> Iterator[Metric]:
    """How often payment intents and payouts entered a state, as this process numbered it since it started."""
    for kind, every, name in (
        ("payment_intent", IntentState, "bascule_intent_state"),
        ("payout", PayoutState, "bascule_payout_state"),
    ):
        told = CounterMetricFamily(
            name, f"How often a {kind.replace('_', ' ')} entered a state.", labels=["state"]
        )
        if entered is not None:
            for state in every:
                told.add_metric([state.value], entered.get((kind, state.value), 0))
        yield told


def postings(posted: PostingTimes) -> Iterator[Metric]:
    """What this process booked since it started."""
    took = HistogramMetricFamily(
        "bascule_ledger_post_duration_seconds", "How long postings took, refused ones apart.", labels=["kind"]
    )
    rows = HistogramMetricFamily(
        "bascule_ledger_batch_rows", "How many facts a posting booked at once.", labels=["kind"]
    )
    for family, spreads in ((took, posted.seconds), (rows, posted.rows)):
        for kind, spread in spreads.items():
            family.add_metric([kind], spread.buckets(), spread.total)
    yield from (took, rows)
