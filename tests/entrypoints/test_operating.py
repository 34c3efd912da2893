"""What operators see of a process at its own port, on a real database, chain and nodes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, LiteralString

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bascule.chain.families import ETHEREUM
from bascule.chain.pool import pool
from bascule.chain.rpc import Rpc
from bascule.domain.errors import Halted
from bascule.domain.spread import SECONDS, Spread
from bascule.entrypoints.metrics import Meters
from bascule.entrypoints.operating import serving
from bascule.entrypoints.ports import listen
from bascule.services.flights import Flights
from bascule.services.seams import SystemEntropy
from bascule.services.sequencer import Sequencer
from bascule.services.watcher import Watcher
from bascule.storage import breaks
from bascule.storage.breaks import Found
from bascule.storage.database import Database
from tests.support.fault_proxy import fault_proxy
from tests.support.money_in import Bridge, OpenAs, bridge
from tests.support.nodes import no_guard

LAG_S = 60.0
AN_HOUR = timedelta(hours=1)
# What screening found of the only deposit, with a decision and without.
SCREENED: LiteralString = """
    INSERT INTO screenings (id, account_id, livemode, deposit_id, address, list, version, reference, state,
                            created_at, decided_at, decided_by, reason)
    SELECT 'scr_' || n.state, d.account_id, d.livemode, d.id, d.src, 'list-' || n.state, 1, 'a case',
           n.state, %(at)s, n.decided_at, n.decided_by, n.reason
      FROM deposits AS d
     CROSS JOIN (VALUES ('open', NULL::timestamptz, NULL, NULL), ('released', now(), 'cli', 'a namesake'))
            AS n (state, decided_at, decided_by, reason)"""


class Seen:
    """The port of a process whose meters are given."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url, session

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """Status and body of /readyz; of the body the only network."""
        async with self._session.get(f"{self._url}/readyz") as answer:
            body = await answer.json()
            return answer.status, body["networks"][0] if "networks" in body else body

    async def text(self) -> str:
        async with self._session.get(f"{self._url}/metrics") as answer:
            return await answer.text()

    async def samples(self) -> dict[str, dict[tuple[str, ...], float]]:
        """By name, the values by labels, in the order of the labels' names."""
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for family in text_string_to_metric_families(await self.text()):
            for sample in family.samples:
                found.setdefault(sample.name, {})[
                    tuple(value for _, value in sorted(sample.labels.items()))
                ] = sample.value
        return found


@asynccontextmanager
async def looking(b: Bridge, meters: Meters, db: Database | None = None) -> AsyncIterator[Seen]:
    with listen("127.0.0.1", 0) as sock:
        async with serving(sock, db or b.db, b.clock, meters, LAG_S):
            yield Seen(f"http://127.0.0.1:{sock.getsockname()[1]}", b.session)


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def test_a_network_is_ready_while_it_is_followed_and_says_how_far_behind_it_is(b: Bridge) -> None:
    async with looking(b, Meters()) as seen:
        assert await seen.ready() == (200, network("not_started", lag=None))
        watcher = await at_the_head(b)
        assert await seen.ready() == (200, network("followed", lag=0.0))

        b.clock.advance(40)  # nobody looks at the chain
        assert await seen.ready() == (200, network("followed", lag=40.0))
        b.clock.advance(40)
        assert await seen.ready() == (503, network("lagging", lag=80.0))

        await b.settle_down(watcher)
        assert (await seen.ready())[0] == 200
        await watcher.release()
        assert await seen.ready() == (503, network("no_leader", lag=0.0))


async def at_the_head(b: Bridge, **options: Any) -> Watcher:
    """A watcher that has read everything, and looked again when its last look was to be told."""
    watcher = b.watcher(**options)
    await b.settle_down(watcher)
    b.clock.advance(3)
    await watcher.run_once()
    return watcher


def network(state: str, *, lag: float | None, reason: str | None = None) -> dict[str, Any]:
    return {"network": "eip155:31337", "state": state, "reason": reason, "lag_seconds": lag, "flushes": None}


async def test_what_is_not_read_yet_is_lag_in_block_time(b: Bridge) -> None:
    watcher = await at_the_head(b, blocks_per_step=1)
    for _ in range(3):
        b.clock.advance(50)
        await b.mine()

    async with looking(b, Meters()) as seen:
        await watcher.run_once()
        status, shown = await seen.ready()
        assert (status, shown["state"], shown["lag_seconds"]) == (503, "lagging", 100.0)
        await b.settle_down(watcher)
        assert await seen.ready() == (200, network("followed", lag=0.0))


async def test_a_node_that_answers_and_stands_still_is_lag(db_as: OpenAs) -> None:
    """It is asked, it answers, and everything that it shows was read: the clock alone tells. Blocks of this
    chain come every twelve seconds.
    """
    async with bridge(db_as, chain_id=1) as b, looking(b, Meters()) as seen:
        watcher = await at_the_head(b)
        b.clock.advance(3)  # so that the new block's sighting is told at once
        await b.mine()
        for lag, state in ((0.0, "followed"), (0.0, "followed"), (60.0, "followed"), (120.0, "lagging")):
            await b.settle_down(watcher)
            _, shown = await seen.ready()
            assert (shown["state"], shown["lag_seconds"]) == (state, lag)
            b.clock.advance(60)

        await b.mine()
        await b.settle_down(watcher)
        assert (await seen.ready())[0] == 200


async def test_a_deep_reorg_is_told_with_its_reason_within_two_polls(b: Bridge) -> None:
    watcher = await at_the_head(b)
    await b.finalize(watcher)
    async with looking(b, Meters()) as seen:
        assert (await seen.ready())[0] == 200
        await b.node.dev.reorg(6)  # three of them are final
        for _ in range(2):
            with pytest.raises(Halted):
                await watcher.run_once()

        [(reason,)] = await b.rows("SELECT halted_reason FROM cursors")
        assert reason.endswith("was final.")
        assert await seen.ready() == (503, network("halted", lag=0.0, reason=reason))
        assert (await seen.samples())["bascule_chain_halted"] == {("eip155:31337",): 1.0}


async def test_metrics_tell_what_the_watcher_did_and_what_its_nodes_are_like(b: Bridge) -> None:
    async with fault_proxy(b.node.url) as liar:
        meters = Meters()
        rpcs = [
            (Rpc(url, session=b.session, guard=no_guard, timed=meters.timed(url), family=ETHEREUM), tier)
            for url, tier in ((liar.url, 1), (b.node.url, 2))
        ]
        nodes = pool(rpcs, chain_id=b.network.chain_id, patience_s=60.0)
        watcher = b.watcher(nodes)
        meters.watch({b.network.chain_id: nodes})
        meters.watcher = watcher
        await b.settle_down(watcher)
        intent = await b.intent("10.00")
        await b.pay(intent, "10.00")
        liar.set("empty", methods=["eth_getLogs"])
        await b.finalize(watcher)
        await b.node.dev.reorg(2)
        b.clock.advance(3)
        await b.settle_down(watcher)
        liar.set("bend", field="receiptsRoot", methods=["eth_getBlockByNumber"])
        b.clock.advance(3)
        await b.finalize(watcher)

        async with looking(b, meters) as seen:
            found, text = await seen.samples(), await seen.text()

    chain, (lying, honest) = "eip155:31337", nodes.names
    head = int(await b.node.rpc("eth_blockNumber"), 16)
    assert found["bascule_chain_head_block"] == found["bascule_watcher_cursor_block"] == {(chain,): head}
    assert found["bascule_transfers_booked_total"] == {(chain,): 1.0}
    assert found["bascule_ledger_post_duration_seconds_count"][("deposit",)] >= 1.0
    assert found["bascule_ledger_batch_rows_sum"][("deposit",)] >= 1.0
    assert found["bascule_match_total"] == {(chain, "applied"): 1.0}
    assert found["bascule_reorg_depth_blocks_sum"] == {(chain,): 2.0}
    assert found["bascule_rpc_node_state"][chain, lying, "lying"] == 1.0
    assert found["bascule_rpc_node_score"][chain, honest] > found["bascule_rpc_node_score"][chain, lying]
    assert found["bascule_rpc_disagreement_total"][chain, "proven", lying] == 1.0
    assert found["bascule_rpc_disagreement_total"][chain, "left_out", lying] == 1.0
    assert found["bascule_rpc_evidence_total"][chain, "stored"] == 2.0
    assert found["bascule_rpc_refused_total"][chain, lying, "contradicts_header"] == 1.0
    assert found["bascule_rpc_refused_total"][chain, honest, "contradicts_header"] == 0.0
    assert found["bascule_token_total"][chain, "tokens_suspended"] == 0.0
    assert found["bascule_rpc_request_duration_seconds_count"]["eth_getLogs", lying, "answered"] >= 1.0
    assert not re.search("0x[0-9a-f]{40}|http://", text), "a label holds an address, a hash or a URL"


async def test_metrics_are_served_while_the_database_does_not_answer(b: Bridge) -> None:
    async with looking(b, Meters()) as seen:
        await b.db.close()
        assert (await seen.ready())[0] == 503
        assert "bascule_rpc_node_state" in await seen.text()


async def test_the_workers_metrics_tell_what_waits_and_what_does_not_add_up(b: Bridge, db_as: OpenAs) -> None:
    sent = Sent(Counter(delivered=2), Spread(SECONDS))
    sent.durations.add(0.3)
    worker = await db_as("worker")
    sequencer = Sequencer(worker, b.clock, SystemEntropy())
    meters = Meters(tells_money=True, webhooks=sent, entered=sequencer.entered, halted=Counter(sealer=1))
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.finalize(b.watcher())
    await sequencer.run_once()
    async with worker.transaction() as conn:
        await breaks.open(conn, "brk_1", Found("custody_residual", "usdc", {}), b.clock.now() - AN_HOUR)

    async with b.owner.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = 'replica'")
        await conn.execute(SCREENED, {"at": b.clock.now() - AN_HOUR})

    async with looking(b, meters, worker) as seen:
        found = await seen.samples()

    assert found["bascule_screenings_open"] == {(): 1.0}
    assert found["bascule_screenings_oldest_seconds"] == {(): 3600.0}
    assert found["bascule_recon_open_breaks"] == {("custody_residual",): 1.0}
    assert found["bascule_recon_oldest_break_seconds"] == {("custody_residual",): 3600.0}
    assert found["bascule_webhook_attempts_total"][("delivered",)] == 2.0
    assert found["bascule_webhook_delivery_duration_seconds_sum"] == {(): 0.3}
    assert found["bascule_webhook_in_flight"] == {("quick",): 0.0, ("slow",): 0.0}
    assert found["bascule_webhook_endpoints_failing"] == {(): 0.0}
    assert found["bascule_webhook_delivery_duration_seconds_bucket"][("0.25",)] == 0.0
    assert found["bascule_webhook_delivery_duration_seconds_bucket"][("0.5",)] == 1.0
    states = found["bascule_intent_state_total"]
    assert {state: times for state, times in states.items() if times} == {
        ("requires_action",): 1.0,
        ("processing",): 1.0,
        ("succeeded",): 1.0,
    }
    assert set(found["bascule_payout_state_total"].values()) == {0.0}
    assert found["bascule_invariant_violation_total"] == {("sealer",): 1.0}
    assert found["bascule_audit_unsealed_rows"][()] > 0.0
    assert 99_999_900 < found["bascule_ledger_room_transactions"][()] < 99_999_999
    assert "bascule_payouts_open" not in found
    assert "bascule_seal_age_seconds" not in found, "nothing was sealed yet"


@dataclass
class Sent:
    attempts: Counter[str]
    durations: Spread
    flights: Flights = field(default_factory=Flights)
