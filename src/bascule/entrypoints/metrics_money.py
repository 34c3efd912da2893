"""How the money stands, as metrics: said by the worker alone, whose login may read all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bascule.domain.chain import ChainId, caip2
from bascule.services.dispatcher import RESULTS
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
    outbox = GaugeMetricFamily("bascule_outbox_oldest_seconds", "For how long an event waits for its number.")
    overdue = GaugeMetricFamily(
        "bascule_webhook_overdue_seconds", "For how long the next attempt at a delivery is overdue."
    )
    unsealed = GaugeMetricFamily(
        "bascule_unsealed_rows", "Postings and lines of audit that no seal covers yet."
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
        outbox.add_metric([], found.outbox_s)
        overdue.add_metric([], found.delivery_s)
        unsealed.add_metric([], found.unsealed_rows)
    yield from (residual, breaks, oldest, payouts, age, outbox, overdue, unsealed)


def webhooks(attempts: Counter[str] | None) -> Metric:
    """How this process's attempts at deliveries ended since it started."""
    counted = CounterMetricFamily(
        "bascule_webhook_attempts", "Attempts at deliveries, by how they ended.", labels=["result"]
    )
    if attempts is not None:
        for result in RESULTS:
            counted.add_metric([result], attempts[result])
    return counted
