"""What a process measures, under the names that dashboards and alerts rely on.

Counts are kept where the work is done; here they are only named, when somebody asks. Labels are bounded:
networks, reasons, states and the names of nodes (host and port: the rest of their URLs may be a secret).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from bascule.chain import families
from bascule.chain.errors import IncompleteAnswer, NodeSays, NodeUnreachable, WrongChain, WrongShape
from bascule.chain.node import Node, NodeState
from bascule.chain.pool import Pool
from bascule.chain.rpc import Timed
from bascule.domain.chain import caip2
from bascule.domain.gas import Tank
from bascule.entrypoints import metrics_money
from bascule.services import signer_alarms
from bascule.storage.health import Followed
from bascule.storage.posting_times import POSTED
from bascule.storage.standing import Standing

DEPTHS = (1, 2, 4, 8, 16, 32, 64, 128)
SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
NETWORK, PROVIDER = ["chain"], ["chain", "provider"]
# Counts that are 0 before they are made, so that the first one is seen to rise.
REFUSALS = (*NodeSays, NodeUnreachable.reason, WrongShape.reason, IncompleteAnswer.reason, WrongChain.reason)
FLUSHING = ("collector_changed", "collector_scheduled", "flush_waits_for_fee", "flushes_requested")
TOKENS = (
    "addresses_listed",
    "balance_mismatches",
    "balances_unchecked",
    "outflows_unexplained",
    "tokens_suspended",
)


class Watching(Protocol):
    """The counts of one watcher: by name, and how often so many blocks were taken back."""

    chain_id: int
    counters: Counter[str]
    depths: Counter[int]


class Logging(Protocol):
    """The log of requests of one process, as far as it counts."""

    left_out: int


@dataclass(eq=False)
class Meters(Collector):
    """Everything that one process measures.

    followed, wallets: what the database said when it was asked last;
    flushing: what its planner or its lane counted, by chain; refusals: the signer's, of the lane's chain;
    tells_money: whether it asks how the money stands; webhooks: who sends deliveries; requests: the
    API's log of them; entered: how often an
    object entered a state; halted: how often a worker stopped at what must never be, by its name.
    """

    pools: Mapping[int, Pool] = field(default_factory=dict)
    watcher: Watching | None = None
    flushing: Counter[tuple[int, str]] | None = None
    refusals: tuple[int, Counter[str]] | None = None
    followed: Sequence[Followed] = ()
    wallets: Sequence[tuple[int, Tank]] = ()
    tells_money: bool = False
    standing: Standing | None = None
    webhooks: metrics_money.Delivering | None = None
    requests: Logging | None = None
    entered: Counter[tuple[str, str]] | None = None
    halted: Counter[str] = field(default_factory=Counter)
    now: Callable[[], datetime] | None = None

    def __post_init__(self) -> None:
        self._names: dict[str, str] = {}
        self.registry = CollectorRegistry(auto_describe=False)
        self._exchanges = Histogram(
            "bascule_rpc_request_duration_seconds",
            "Exchanges with nodes: how they ended, how long they took; a batch is one, by its first method.",
            ["provider", "method", "result"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.answered = Histogram(
            "bascule_http_server_request_duration_seconds",
            "Requests to the API's operations: what they were answered, how long they took.",
            ["method", "route", "status"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(self)

    def watch(self, pools: Mapping[int, Pool]) -> None:
        """These nodes are said from now on, under the names that their pools gave them."""
        self.pools = pools
        self._names.update({node.rpc.url: node.name for pool in pools.values() for node in pool.nodes})

    def timed(self, url: str) -> Timed:
        """What is told of the exchanges with the node at `url`; its name is known once it is watched."""

        def tell(method: str, result: str, seconds: float) -> None:
            self._exchanges.labels(self._names.get(url, ""), method, result).observe(seconds)

        return tell

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)

    def described(self) -> Iterator[tuple[str, str, Sequence[str], str]]:
        """Of each metric its name as it is shown, its type, its labels and its meaning."""
        for each in self.collect():
            suffix = "_total" if each.type == "counter" else ""
            yield each.name + suffix, each.type, getattr(each, "_labelnames", ()), each.documentation
        for timed in (self._exchanges, self.answered):
            [told] = timed.collect()
            yield told.name, told.type, timed._labelnames, told.documentation

    def collect(self) -> Iterator[Metric]:
        """As `Collector.collect`."""
        yield from _networks(self.followed, self.now() if self.now is not None else None)
        yield from _wallets(self.wallets)
        yield from _nodes(self.pools)
        yield from _watcher(self.watcher)
        yield _flushing(self.flushing, self.pools)
        yield _refused(self.refusals)
        yield from metrics_money.standing(self.standing)
        yield from metrics_money.webhooks(self.webhooks)
        yield from metrics_money.states(self.entered)
        yield from metrics_money.postings(POSTED)
        yield _halted(self.halted)
        yield _left_out(self.requests)


def _networks(found: Sequence[Followed], now: datetime | None) -> Iterator[Metric]:
    """What every process can say of every network, from the database."""
    head = _gauge("bascule_chain_head_block", "The newest block that the watcher's nodes showed.")
    final = _gauge("bascule_chain_finalized_block", "The newest block that is final for us.")
    cursor = _gauge("bascule_watcher_cursor_block", "The newest block that was read.")
    lag = _gauge("bascule_watcher_lag_seconds", "Block time not read yet, and how long nothing new was seen.")
    halted = _gauge("bascule_chain_halted", "1 while nothing of the chain is credited or paid.")
    led = _gauge("bascule_watcher_leader", "1 while a watcher holds the chain's lease.")
    stopped = _gauge("bascule_flushes_stopped", "1 while a collector that nobody confirmed stops flushes.")
    agreed = _gauge("bascule_chain_unproven", "1 while headers prove nothing, so that nodes must agree.")
    for each in found:
        name = [caip2(each.chain_id)]
        lag_s = None if now is None else each.lag_s(now, families.quiet_s(each.chain_id))
        told = (
            (head, each.head_number),
            (final, each.finalized_number),
            (cursor, each.last_number),
            (lag, lag_s),
        )
        for family, value in told:
            if value is not None:
                family.add_metric(name, value)
        halted.add_metric(name, each.halted_reason is not None)
        led.add_metric(name, each.led)
        stopped.add_metric(name, each.collector_alarm is not None)
        agreed.add_metric(name, each.unproven is not None)
    yield from (head, final, cursor, lag, halted, led, stopped, agreed)


def _wallets(found: Sequence[tuple[int, Tank]]) -> Iterator[Metric]:
    """How long each wallet can pay for gas, as its lane told it last."""
    labels = [*NETWORK, "lane"]
    held = _gauge("bascule_wallet_gas_units", "Native coin of a lane's wallet, in wei.", labels)
    runway = _gauge(
        "bascule_wallet_runway_seconds", "How long it lasts at its recent spending; none where none.", labels
    )
    short = _gauge("bascule_wallet_short", "1 while the wallet is to be topped up for gas.", labels)
    for chain_id, tank in found:
        name = [caip2(chain_id), tank.name]
        held.add_metric(name, tank.balance)
        short.add_metric(name, tank.short)
        if tank.runway is not None:
            runway.add_metric(name, tank.runway.total_seconds())
    yield from (held, runway, short)


def _nodes(pools: Mapping[int, Pool]) -> Iterator[Metric]:
    """What a process knows of its own nodes."""
    state = _gauge("bascule_rpc_node_state", "1 for the state a node is in.", [*PROVIDER, "state"])
    score = _gauge(
        "bascule_rpc_node_score",
        "Share of questions a node answered; a wrong answer weighs as 10 to 1,000 of none.",
        PROVIDER,
    )
    refused = _count(
        "bascule_rpc_refused",
        "Answers that were none, refusals or not to be used, by reason.",
        [*PROVIDER, "reason"],
    )
    disagreed = _count(
        "bascule_rpc_disagreement",
        "Contradictions of a hash or another node: proven, left_out (may be late), open, strayed to a fork.",
        [*PROVIDER, "kind"],
    )
    for chain_id, node in ((chain_id, node) for chain_id, pool in pools.items() for node in pool.nodes):
        name = [caip2(chain_id), node.name]
        for each in NodeState:
            state.add_metric([*name, each.value], node.state is each)
        score.add_metric(name, node.score)
        for reason, count in {**dict.fromkeys(REFUSALS, 0), **node.reasons}.items():
            refused.add_metric([*name, reason], count)
        for kind, count in _disagreements(node).items():
            disagreed.add_metric([*name, kind], count)
    kept = _count(
        "bascule_rpc_evidence",
        "Contradictions that this process stored with both answers, or had no room for.",
        [*NETWORK, "what"],
    )
    for chain_id, pool in pools.items():
        kept.add_metric([caip2(chain_id), "stored"], pool.evidence.stored)
        kept.add_metric([caip2(chain_id), "lost"], pool.evidence.lost)
    yield from (state, score, refused, disagreed, kept)


def _disagreements(node: Node) -> dict[str, int]:
    lies, left_out = node.counters["lies"], node.counters["left_out"]
    return {
        "proven": lies,
        "left_out": left_out,
        "open": node.counters["disagreements"] - lies - left_out,
        "strayed": node.counters["strayed"],
    }


def _watcher(watcher: Watching | None) -> Iterator[Metric]:
    """What this process's watcher did since it started."""
    seen = _count("bascule_transfers_seen", "Transfers read, whoever they are for.")
    booked = _count("bascule_transfers_booked", "Transfers to us that became final and were booked.")
    match = _count(
        "bascule_match", "What deposits counted for at first sight: applied, or why not.", [*NETWORK, "kind"]
    )
    happened = _count("bascule_watcher", "What the watcher did, passed over and refused.", [*NETWORK, "what"])
    token = _count(
        "bascule_token",
        "Balances not compared, balances that did not follow the logs, tokens suspended by their own word.",
        [*NETWORK, "what"],
    )
    depth = HistogramMetricFamily("bascule_reorg_depth_blocks", "Blocks taken back at once.", labels=NETWORK)
    if watcher is not None:
        counts, name = watcher.counters, [caip2(watcher.chain_id)]
        seen.add_metric(name, sum(counts[name] for name in _SEEN))
        booked.add_metric(name, counts["transfers_booked"])
        kinds = {k.removeprefix(_UNAPPLIED): n for k, n in counts.items() if k.startswith(_UNAPPLIED)}
        kinds["applied"] = counts["deposits_detected"] - sum(kinds.values())
        for kind, count in kinds.items():
            match.add_metric([*name, kind], count)
        for what, count in counts.items():
            happened.add_metric([*name, what], count)
        for what in TOKENS:
            token.add_metric([*name, what], counts[what])
        buckets = [
            (str(float(most)), sum(n for d, n in watcher.depths.items() if d <= most)) for most in DEPTHS
        ]
        everything = sum(watcher.depths.values())
        total = sum(d * n for d, n in watcher.depths.items())
        depth.add_metric(name, [*buckets, ("+Inf", everything)], total)
    yield from (seen, booked, match, happened, token, depth)


def _flushing(counted: Counter[tuple[int, str]] | None, chains: Iterable[int]) -> Metric:
    """What this process's planner or lane did about flushes since it started."""
    flush = _count(
        "bascule_flush",
        "Requests for flushes made, and why there was none: the fee, the factory's collector.",
        [*NETWORK, "what"],
    )
    if counted is not None:
        none = {(chain_id, what): 0 for chain_id in chains for what in FLUSHING}
        for (chain_id, what), count in {**none, **counted}.items():
            flush.add_metric([caip2(chain_id), what], count)
    return flush


def _refused(counted: tuple[int, Counter[str]] | None) -> Metric:
    """What the signer refused this process's lane since it started; one that is not known counts as 0."""
    refused = _count(
        "bascule_signer_refused",
        "Questions or single payouts that the signer refused, by its code; see signer.refusals.",
        [*NETWORK, "reason"],
    )
    if counted is not None:
        chain_id, codes = counted
        for code, count in {**dict.fromkeys(signer_alarms.CODES, 0), **codes}.items():
            refused.add_metric([caip2(chain_id), code], count)
    return refused


def _halted(counted: Counter[str]) -> Metric:
    """Contradictions at which this process's workers stopped since it started."""
    violated = _count(
        "bascule_invariant_violation",
        "How often a worker stopped, as what it found must never be: its log says what.",
        ["name"],
    )
    for name, count in counted.items():
        violated.add_metric([name], count)
    return violated


def _left_out(log: Logging | None) -> Metric:
    """Requests of which this process's log says nothing."""
    left_out = _count(
        "bascule_requests_left_out",
        "Requests that found no room in the log of /v1/requests, as the database took no lines.",
        [],
    )
    if log is not None:
        left_out.add_metric([], log.left_out)
    return left_out


_UNAPPLIED = "deposits_unapplied_"
_SEEN = ("transfers_recorded", "transfers_seen", "transfers_of_others")


def _gauge(name: str, meaning: str, labels: Sequence[str] = NETWORK) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=labels)


def _count(name: str, meaning: str, labels: Sequence[str] = NETWORK) -> CounterMetricFamily:
    return CounterMetricFamily(name, meaning, labels=labels)
