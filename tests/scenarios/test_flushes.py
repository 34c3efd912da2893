"""What customers paid goes to the collector: in one call, once, and the books are even whoever interferes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bascule.chain.errors import NodeUnreachable
from bascule.chain.families import ETHEREUM
from bascule.chain.rpc import Rpc
from bascule.domain.errors import Halted
from bascule.services.arrivals import Arrivals
from bascule.services.breaks import Breaks
from bascule.services.flush_planner import FlushPlanner
from bascule.services.outflows import Outflows
from bascule.services.replaying import Replay
from bascule.services.seams import SystemEntropy
from bascule.services.suspending import Suspending
from bascule.storage import signer_flush_limits, tokens
from bascule.storage.networks import Network
from bascule.storage.signer_flush_limits import FlushLimits
from tests.support.crashing import Crash, Crashing
from tests.support.flushing import NEXT_COLLECTOR, Sweep, sweep
from tests.support.money_out import OpenAs, payee


@pytest.fixture
async def world(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Sweep]:
    async with sweep(db_as, tmp_path) as built:
        yield built


async def slots(world: Sweep) -> list[tuple[str, str, int]]:
    """The sweeper's slots: kind, state and how many attempts each has."""
    return await world.stage.rows(  # type: ignore[return-value]
        "SELECT s.kind, s.state, count(a.tx_hash) FROM slots s"
        " LEFT JOIN attempts a USING (chain_id, wallet, nonce)"
        " WHERE s.kind <> 'pay' GROUP BY s.chain_id, s.wallet, s.nonce, s.kind, s.state ORDER BY s.nonce"
    )


async def test_three_payments_are_flushed_in_one_call_and_booked_as_internal(world: Sweep) -> None:
    paid = await world.request("20.00", "30.00", "40.00")

    await world.stage.run(await world.sweeper(), rounds=2)

    assert await world.requests() == [("done", [(each, "flushed") for each in paid])]
    assert await slots(world) == [("service", "final", 1)]
    assert await world.balance(world.collector) == 90_000_000
    assert [await world.balance(each) for each in paid] == [0, 0, 0]
    booked = await world.stage.rows(
        "SELECT t.kind, count(*) FROM ledger.tx t WHERE t.kind IN ('internal', 'gas') GROUP BY 1 ORDER BY 1"
    )
    assert booked == [("gas", 1), ("internal", 3)]
    await world.require_even()
    assert await world.planner().run_once() == 0


@pytest.mark.slow
async def test_payouts_and_flushes_go_on_beside_each_other(world: Sweep) -> None:
    await world.request("20.00")
    payout = await world.stage.approved("7.00", payee(1))
    payer, sweeper = await world.stage.submitter(), await world.sweeper()

    for working in (payer, sweeper):
        await working.run_once()
    await world.stage.follow(3)
    for working in (payer, sweeper):
        await working.run_once()

    assert await world.stage.status(payout) == "paid"
    assert [state for state, _ in await world.requests()] == ["done"]
    await world.require_even()


async def test_stranger_who_flushes_first_ends_the_request(world: Sweep) -> None:
    first, second = await world.request("20.00", "30.00")
    await world.foreign_flush(first)
    await world.stage.follow(4)

    await world.stage.run(await world.sweeper(), rounds=2)

    assert await world.requests() == [("done", [(first, "elsewhere"), (second, "flushed")])]
    again = await world.request("5.00")
    await world.foreign_flush(*again)
    await world.stage.follow(4)
    await (await world.sweeper()).run_once()
    assert (await world.requests())[1] == ("done_elsewhere", [(again[0], "elsewhere")])
    assert await slots(world) == [("service", "final", 1)], "no nonce for what is done"
    await world.require_even()


@pytest.mark.slow
async def test_stranger_who_flushes_while_ours_is_on_its_way_changes_nothing_but_who_did_it(
    world: Sweep,
) -> None:
    first, second = await world.request("20.00", "30.00")
    sweeper = await world.sweeper()
    data = [await world.salts([first]), "0x" + world.stage.token.contract.hex()]
    await world.send_as_customer("flush(bytes32[],address)", data, tip=5 * 10**9)  # mined before ours
    await world.stage.run(sweeper, rounds=2)

    assert await world.requests() == [("done", [(first, "elsewhere"), (second, "flushed")])]
    assert await world.balance(world.collector) == 50_000_000
    await world.require_even()
    assert await world.planner().run_once() == 0


async def test_address_that_the_token_refuses_is_skipped_named_and_tried_later(world: Sweep) -> None:
    bad, good = await world.request("20.00", "30.00")
    await world.stage.issuer("blacklist(address)", bad)

    await world.stage.run(await world.sweeper(), rounds=2)

    assert await world.requests() == [("done", [(bad, "skipped"), (good, "flushed")])]
    [(why,)] = await world.stage.rows("SELECT why FROM flush_items WHERE outcome = 'skipped'")
    assert len(why) >= 10, "the token's own error"
    await world.require_even()
    world.stage.clock.advance(timedelta(days=1, seconds=1))
    assert await world.planner().run_once() == 0, "not while the issuer lists it"
    await world.stage.issuer("unBlacklist(address)", bad)
    await world.stage.follow(4)
    assert await world.planner().run_once() == 1
    await world.stage.run(await world.sweeper(), rounds=2)
    assert await world.balance(bad) == 0
    await world.require_even()


async def test_money_that_left_an_address_before_its_issuer_listed_it_is_booked_and_stops_nobody(
    world: Sweep,
) -> None:
    """Whoever flushes moves what is not final yet; the list comes too late to hold that."""
    intent = await world.intent("20.00")
    paid = await world.pay(intent)
    await world.foreign_flush(paid)
    await world.stage.issuer("blacklist(address)", paid)

    await world.stage.follow(4)

    assert await world.stage.rows(
        "SELECT i.state, d.state, p.state FROM payment_intents i JOIN applications p ON p.intent_id = i.id"
        " JOIN deposits d ON d.id = p.deposit_id WHERE i.id = %s",
        intent["id"],
    ) == [("succeeded", "finalized", "applied")]
    await world.require_even()


@pytest.mark.slow
async def test_call_that_reverts_costs_its_gas_and_is_tried_later(world: Sweep) -> None:
    [paid] = await world.request("20.00")
    sweeper = await world.sweeper(failpoints=Crashing("submitter.after_reserve"))
    with pytest.raises(Crash):
        await sweeper.run_once()
    await world.stage.rows_change("UPDATE slots SET gas = 30000 WHERE kind = 'service'")  # out of gas

    await world.stage.run(await world.sweeper(), rounds=2)

    assert await world.requests() == [("reverted", [(paid, "reverted")])]
    assert await world.stage.rows("SELECT count(*) FROM ledger.tx WHERE kind = 'gas'") == [(1,)]
    assert await world.planner().run_once() == 0, "not at once"
    world.stage.clock.advance(timedelta(days=1, seconds=1))
    assert await world.planner().run_once() == 1
    await world.stage.run(await world.sweeper(), rounds=2)
    assert await world.balance(world.collector) == 20_000_000
    await world.require_even()


@pytest.mark.wrong("G12")
async def test_money_that_is_held_after_the_request_stays_where_it_is(world: Sweep) -> None:
    held, free = await world.request("20.00", "30.00")
    intent = await world.stage.rows(
        "SELECT intent_id FROM deposit_addresses WHERE address = decode(%s, 'hex')", held[2:]
    )
    await world.stage.rows_change(
        "UPDATE applications SET state = 'unapplied', reason = 'held', amount_applied = 0"
        " WHERE intent_id = %s", intent[0][0],
    )  # fmt: skip

    await world.stage.run(await world.sweeper(), rounds=2)

    assert await world.requests() == [("done", [(held, "released"), (free, "flushed")])]
    assert await world.balance(held) == 20_000_000
    assert await world.planner().run_once() == 0


@pytest.mark.slow
async def test_fee_above_the_ceiling_takes_no_nonce(world: Sweep) -> None:
    await world.request("20.00")

    await (await world.sweeper(max_base_fee=1)).run_once()

    assert await slots(world) == []
    await world.stage.run(await world.sweeper(), rounds=2)
    assert [state for state, _ in await world.requests()] == ["done"]


async def test_silent_node_of_one_chain_keeps_no_other_chain_from_being_planned(
    world: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.paid("20.00")
    another = """
        INSERT INTO networks
        SELECT (jsonb_populate_record(n, '{"chain_id": 1, "name": "silent"}')).* FROM networks n;
        INSERT INTO wallets SELECT (jsonb_populate_record(w, '{"chain_id": 1}')).* FROM wallets w"""
    await world.stage.rows_change(another)
    planner, plan = world.planner(), FlushPlanner._plan_chain
    planner._rpcs = {1: world.rpc("http://127.0.0.1:1"), **planner._rpcs}

    async def plans(self: FlushPlanner, network: Network) -> int:
        await self._rpcs[network.chain_id].call("eth_chainId")
        return await plan(self, network)

    monkeypatch.setattr(FlushPlanner, "_plan_chain", plans)
    with pytest.raises(NodeUnreachable):
        await planner.run_once()

    assert len(await world.requests()) == 1


@pytest.mark.slow
async def test_request_for_a_token_that_is_accepted_no_more_is_withdrawn(world: Sweep) -> None:
    [paid] = await world.request("20.00")
    async with world.stage.owner.transaction() as conn:
        await tokens.publish(conn, replace(world.stage.token, accepted=False))

    await (await world.sweeper()).run_once()

    assert await world.requests() == [("withdrawn", [(paid, "released")])]
    assert await slots(world) == []


@pytest.mark.slow
async def test_suspended_token_is_neither_planned_nor_flushed(world: Sweep) -> None:
    [paid] = await world.request("20.00")
    later = await world.paid("30.00")
    await world.stage.rows_change(
        "INSERT INTO token_suspensions (token_id, cause, evidence, from_number, opened_at)"
        " VALUES (%s, 'by test', '{}', 0, now())", world.stage.token.id,
    )  # fmt: skip

    assert await world.planner().run_once() == 0
    await (await world.sweeper()).run_once()

    assert await world.requests() == [("withdrawn", [(paid, "released")])]
    assert [await world.balance(each) for each in (paid, *later)] == [20_000_000, 30_000_000]


@pytest.mark.slow
async def test_money_that_left_while_its_token_was_suspended_is_not_flushed_for_ever(world: Sweep) -> None:
    """A stranger empties the address while nothing of it is booked: there is nothing to pay gas for later."""
    paid = await world.pay(await world.intent("20.00"))
    await world.stage.node.dev.mine(1)
    await world.stage.rows_change(
        "INSERT INTO token_suspensions (token_id, cause, evidence, from_number, opened_at)"
        " SELECT %s, 'by test', '{}', finalized_number, now() FROM cursors", world.stage.token.id,
    )  # fmt: skip
    await world.stage.follow(4)
    await world.foreign_flush(paid)
    await world.stage.follow(4)
    assert await world.stage.rows("SELECT state FROM deposits WHERE kind = 'payment'") == [("detected",)]
    await world.stage.rows_change(
        "UPDATE token_suspensions SET ended_at = now(), ended_by = 'test', reason = 'test'"
    )
    await world.stage.follow(4)

    assert await world.planner().run_once() == 0
    [(flushed,)] = await world.stage.rows("SELECT flushed_block FROM deposits WHERE kind = 'payment'")
    assert flushed is not None
    await world.require_even()


async def test_flush_that_a_replay_finds_is_not_repeated(world: Sweep) -> None:
    """A stranger's flush was missed; read once more it is booked, and nothing is looked for there again."""
    [paid] = await world.paid("20.00")
    await world.foreign_flush(paid)
    stage = world.stage
    await stage.follow()
    await stage.rows_change(
        "SET LOCAL session_replication_role = replica;"
        " DELETE FROM transfers WHERE src IN (SELECT address FROM deposit_addresses)"
    )
    await stage.follow(4)
    outbox, chain_id = stage.use_cases.outbox, stage.network.chain_id
    arrivals = Arrivals(chain_id, stage.clock, SystemEntropy(), outbox, Counter())
    suspending = Suspending(stage.clock, outbox)
    guard = stage.owner.refuse_open_transaction
    rpc = Rpc(stage.node.url, session=stage.session, guard=guard, family=ETHEREUM)
    [(last,)] = await stage.rows("SELECT finalized_number FROM cursors")
    outflows = Outflows(stage.owner, rpc, chain_id, Breaks(outbox), suspending, Counter())
    replay = Replay(stage.owner, rpc, chain_id, arrivals, outflows)
    found = [each.kind async for _, findings in replay.between(1, last) for each in findings]

    assert found == ["missing"]
    assert await world.planner().run_once() == 0
    await world.require_even()


async def test_changed_collector_stops_the_sweeper(world: Sweep) -> None:
    await world.request("20.00")
    following = world.stage.node.accounts[NEXT_COLLECTOR].address
    await world.owner_of_factory("setCollector(address)", following)
    await world.owner_of_factory("acceptCollector()")

    with pytest.raises(Halted, match="collector is not confirmed"):
        await (await world.sweeper()).run_once()

    assert await slots(world) == []
    assert [state for state, _ in await world.requests()] == ["requested"]


@pytest.mark.slow
async def test_address_the_signer_does_not_know_is_named_and_the_others_are_flushed(world: Sweep) -> None:
    bad, good = await world.request("20.00", "30.00")
    await world.stage.rows_change(
        "UPDATE deposit_addresses SET n = n + 1000000 WHERE address = decode(%s, 'hex')", bad[2:]
    )

    sweeper = await world.sweeper()
    await world.stage.run(sweeper, rounds=2)
    assert await world.planner().run_once() == 1
    await world.stage.run(sweeper, rounds=2)

    assert await world.requests() == [
        ("refused", [(good, "released"), (bad, "refused")]),
        ("done", [(good, "flushed")]),
    ]
    assert [(kind, state) for kind, state, _ in await slots(world)] == [
        ("fill", "final"),
        ("service", "final"),
    ]
    assert await world.stage.rows("SELECT code FROM signer.refusals") == [("items_refused",)]
    assert await world.balance(bad) == 20_000_000


@pytest.mark.slow
async def test_flush_waits_while_the_signers_limits_are_below_it(world: Sweep) -> None:
    await world.request("20.00")
    await limit(world, max_addresses=0)
    sweeper = await world.sweeper()
    with pytest.raises(Exception, match="does not sign"):
        await sweeper.run_once()

    await limit(world, max_addresses=100)
    await world.stage.run(sweeper, rounds=2)

    assert [state for state, _ in await world.requests()] == ["done"]


@pytest.mark.slow
async def test_flush_in_a_block_that_is_replaced_is_mined_again(world: Sweep) -> None:
    [paid] = await world.request("20.00")
    sweeper = await world.sweeper()
    await sweeper.run_once()
    await world.stage.follow(1)
    await sweeper.run_once()
    assert [state for _, state, _ in await slots(world)] == ["mined"]

    await world.stage.node.dev.reorg(1)
    await world.stage.follow()
    await world.stage.run(sweeper, rounds=3)

    assert await world.requests() == [("done", [(paid, "flushed")])]
    assert await world.balance(world.collector) == 20_000_000
    await world.require_even()


async def limit(world: Sweep, *, max_addresses: int) -> None:
    """The signer's own limits, as its operator sets them."""
    limits = FlushLimits(1_000 * 10**9, 16_000_000, max_addresses)
    assert world.stage.network.deposit_factory is not None
    async with world.stage.owner.transaction() as conn:
        await signer_flush_limits.set(
            conn, world.stage.network.chain_id, factory=world.stage.network.deposit_factory,
            token=world.stage.token.contract, limits=limits,
        )  # fmt: skip
