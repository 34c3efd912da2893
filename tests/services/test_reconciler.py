"""The books against the chain: exact at every final block, and loud when they differ."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, LiteralString

import pytest

from bascule.chain import erc20
from bascule.domain import stops
from bascule.domain.errors import Rejected, Retryable
from bascule.services.balance_check import BalancesDisputed
from bascule.services.break_search import BreakSearch
from bascule.services.breaks import Breaks
from bascule.services.gas_check import GasCheck
from bascule.services.outbox import Outbox
from bascule.services.reconciler import Reconciler, describe
from bascule.services.reconciliation_runs import PATIENCE, ReconciliationRuns, request
from bascule.services.resolving import resolve
from bascule.services.seams import SystemEntropy
from bascule.services.suspending import Suspending
from bascule.services.watcher import Watcher
from bascule.storage import freezes, reconciliation_runs
from bascule.storage.database import Database
from bascule.storage.invariants import custody
from bascule.storage.reconciliation_runs import Run
from bascule.storage.reconciliations import Reconciliation
from bascule.storage.verification import wrong_rows
from tests.support.money_in import Bridge, bridge
from tests.support.nodes import lying_node

# A chain of number 7, in all else like the one there is.
ANOTHER: Sequence[LiteralString] = (
    """INSERT INTO networks SELECT (jsonb_populate_record(n, '{"chain_id": 7, "name": "seven"}')).*
         FROM networks AS n""",
    """INSERT INTO tokens SELECT (jsonb_populate_record(k, '{"chain_id": 7, "id": "tok_7"}')).*
         FROM tokens AS k""",
    """INSERT INTO cursors SELECT (jsonb_populate_record(c, '{"chain_id": 7}')).* FROM cursors AS c""",
    """INSERT INTO own_addresses SELECT (jsonb_populate_record(a, '{"chain_id": 7}')).*
         FROM own_addresses AS a""",
    """INSERT INTO openings
       SELECT (jsonb_populate_record(o, jsonb_build_object('chain_id', 7, 'id', o.id || 7))).*
         FROM openings AS o""",
)
# An address that money had come to before it was stored, as the watcher finds it.
STORED_SINCE: Sequence[LiteralString] = (
    """INSERT INTO deposit_addresses (chain_id, address, intent_id, account_id, factory, epoch, n)
       SELECT chain_id, decode(repeat('77', 20), 'hex'), intent_id, account_id, factory, epoch, n + 1000
         FROM deposit_addresses LIMIT 1 ON CONFLICT DO NOTHING""",
    """INSERT INTO transfers
       SELECT (jsonb_populate_record(t,
              jsonb_build_object('log_index', 99, 'dst', '\\x' || repeat('77', 20)))).*
         FROM transfers AS t LIMIT 1 ON CONFLICT DO NOTHING""",
)
OpenAs = Callable[[str], Awaitable[Database]]


@pytest.fixture
async def world(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def reconciler_of(world: Bridge, db_as: OpenAs, url: str | None = None) -> Reconciler:
    db = await db_as("worker")
    outbox = Outbox(world.clock, SystemEntropy())
    return Reconciler(db, world.clock, SystemEntropy(), outbox, {world.network.chain_id: world.rpc(url)})


async def compared(reconciler: Reconciler) -> Reconciliation:
    [(_, found)] = await reconciler.reconcile()
    return found


async def test_chain_that_was_never_read_gives_nothing_to_compare(world: Bridge, db_as: OpenAs) -> None:
    assert await (await reconciler_of(world, db_as)).reconcile() == []


async def test_capital_payments_and_unsolicited_money_leave_no_residual(world: Bridge, db_as: OpenAs) -> None:
    watcher = await world.started()
    reconciler = await reconciler_of(world, db_as)
    intent = await world.intent("10.50")
    await world.pay(intent, "12.00")
    await world.send(world.account(4).address, "500.00", payer=3)
    await world.send(world.account(5).address, "0.25", payer=1)
    await world.finalize(watcher)

    found = await compared(reconciler)

    assert (found.on_chain, found.journal, found.unbooked, found.residual) == (512_250_000, 512_250_000, 0, 0)


async def test_an_earlier_final_block_is_compared_as_it_was(world: Bridge, db_as: OpenAs) -> None:
    watcher = await world.started()
    reconciler = await reconciler_of(world, db_as)
    await world.pay(await world.intent("10.50"), "10.50")
    await world.finalize(watcher)
    [(then, _)] = await reconciler.reconcile()
    await world.pay(await world.intent("4.00"), "4.00")
    await world.finalize(watcher)

    [(_, past)] = await reconciler.reconcile(at_block=then.block_number)
    present = await compared(reconciler)

    assert (past.on_chain, past.journal, past.residual) == (10_500_000, 10_500_000, 0)
    assert (present.on_chain, present.journal, present.residual) == (14_500_000, 14_500_000, 0)
    with pytest.raises(Rejected, match="is not final, or was not read"):
        await reconciler.reconcile(at_block=present.block_number + 1)


async def test_money_that_is_seen_and_not_final_is_not_compared_yet(world: Bridge, db_as: OpenAs) -> None:
    watcher = await world.started()
    reconciler = await reconciler_of(world, db_as)
    await world.pay(await world.intent("10.50"), "10.50")
    await world.settle_down(watcher)

    found = await compared(reconciler)

    assert (found.on_chain, found.journal, found.residual) == (0, 0, 0)


async def suspend(world: Bridge) -> None:
    """What moves from now on is not booked."""
    async with world.owner.transaction() as conn:
        await Suspending(world.clock, world.outbox).suspend(conn, world.token, "unexplained_outflow", {})


async def taken_unseen(world: Bridge, reconciler: Reconciler, amount: str) -> Watcher:
    """500.00 are in the vault and booked; of these `amount` is gone, and no log of it was read."""
    watcher = await world.started()
    await world.send(world.account(4).address, "500.00", payer=3)
    await world.finalize(watcher)
    async with world.owner.transaction() as conn:
        await conn.execute("UPDATE transfers SET canonical = false")  # as if the logs had never come
    assert (await compared(reconciler)).residual == 0  # booked money stays in the journal
    await suspend(world)
    await world.send(world.account(1).address, amount, payer=4)
    await world.mine(5)
    await world.settle_down(watcher)
    async with world.owner.transaction() as conn:
        await conn.execute("UPDATE transfers SET canonical = false")
    return watcher


async def frozen(world: Bridge) -> list[str]:
    async with world.owner.read() as conn:
        return [row["scope"] for row in await freezes.standing(conn)]


async def test_token_nobody_booked_opens_a_break_that_is_told_once(world: Bridge, db_as: OpenAs) -> None:
    """The vault's money moves by a hand that no watcher saw: the books are not the chain any more."""
    reconciler = await reconciler_of(world, db_as)
    await taken_unseen(world, reconciler, "100.00")

    first, second = await compared(reconciler), await compared(reconciler)

    assert (first.on_chain, first.journal, first.residual) == (400_000_000, 500_000_000, -100_000_000)
    assert second.residual == first.residual
    assert await world.rows("SELECT type, subject, state FROM breaks") == [
        ("custody_residual", world.token.id, "open")
    ]
    assert [t for t in await world.events() if t.startswith("reconciliation")] == [
        "reconciliation.break_opened"
    ]

    async with world.owner.transaction() as conn:
        await conn.execute("UPDATE transfers SET canonical = true")
    assert (await compared(reconciler)).residual == 0
    assert await world.rows("SELECT state, resolution ->> 'by' FROM breaks") == [
        ("resolved", "reconciliation")
    ]
    assert (await world.events())[-1] == "reconciliation.break_resolved"


async def test_residual_freezes_its_token_until_a_person_explains_it_and_then_stays_explained(
    world: Bridge, db_as: OpenAs
) -> None:
    reconciler = await reconciler_of(world, db_as)
    watcher = await taken_unseen(world, reconciler, "100.00")
    await compared(reconciler)
    assert await frozen(world) == [stops.token(world.network.chain_id, world.token.contract)]
    [(broken, amount)] = await world.rows("SELECT id, amount FROM breaks WHERE state = 'open'")
    assert amount == -100_000_000

    outbox = Outbox(world.clock, SystemEntropy())
    async with (await db_as("worker")).transaction() as conn:
        shown = await resolve(conn, outbox, broken, reason="the issuer burned it", actor="cli")
    assert (shown["status"], shown["resolution"]["reason"]) == ("resolved", "the issuer burned it")
    assert await frozen(world) == []
    assert (await compared(reconciler)).residual == -100_000_000
    assert await world.rows("SELECT id FROM breaks") == [(broken,)]  # the same difference: explained
    async with world.owner.read() as conn:
        assert await wrong_rows(conn, custody.CHECKS[:1]) == []

    await world.send(world.account(1).address, "1.00", payer=4)
    await world.mine(5)
    await world.settle_down(watcher)
    async with world.owner.transaction() as conn:
        await conn.execute("UPDATE transfers SET canonical = false")
    await compared(reconciler)
    assert await world.rows("SELECT amount FROM breaks WHERE state = 'open'") == [(-101_000_000,)]
    assert len(await frozen(world)) == 1


async def test_one_node_that_lies_about_a_balance_opens_no_break(world: Bridge, db_as: OpenAs) -> None:
    watcher = await world.started()
    await world.send(world.account(4).address, "500.00", payer=3)
    await world.finalize(watcher)
    truth = (await compared(await reconciler_of(world, db_as))).on_chain
    lies = iter(["0x" + "00" * 32])
    async with lying_node(world.node.url) as node:
        node.twist = lambda method, params, result: (
            next(lies, result) if method == "eth_call" and int(result, 16) == truth else result
        )
        reconciler = await reconciler_of(world, db_as, node.url)
        with pytest.raises(BalancesDisputed):
            await reconciler.reconcile()
        assert await world.rows("SELECT id FROM breaks") == []
        assert (await compared(reconciler)).residual == 0


async def test_one_node_that_lies_about_a_balance_ends_no_break(world: Bridge, db_as: OpenAs) -> None:
    """What is missing stops payouts of its token; one node that says it is there again lifts nothing."""
    await taken_unseen(world, await reconciler_of(world, db_as), "100.00")
    assert (await compared(await reconciler_of(world, db_as))).on_chain == 400_000_000
    lies = iter([f"0x{500_000_000:064x}"])
    async with lying_node(world.node.url) as node:
        node.twist = lambda method, params, result: (
            next(lies, result) if method == "eth_call" and int(result, 16) == 400_000_000 else result
        )
        with pytest.raises(BalancesDisputed):
            await (await reconciler_of(world, db_as, node.url)).reconcile()

    assert await world.rows("SELECT state FROM breaks") == [("open",)]
    assert len(await frozen(world)) == 1


async def test_a_chain_whose_nodes_are_silent_holds_up_no_other_chain(world: Bridge, db_as: OpenAs) -> None:
    """Money that is gone stops payouts there; a run compares each token once, however often it is begun."""
    watcher = await taken_unseen(world, await reconciler_of(world, db_as), "100.00")
    async with world.owner.transaction() as conn:
        for another in ANOTHER:
            await conn.execute(another)
        await reconciliation_runs.insert(conn, Run("rec_1", None, None, "cli", world.clock.now()))
    outbox = Outbox(world.clock, SystemEntropy())
    rpcs = {7: world.rpc("http://127.0.0.1:9"), world.network.chain_id: watcher._rpc}
    reconciler = Reconciler(await db_as("worker"), world.clock, SystemEntropy(), outbox, rpcs)

    for _ in range(2):
        with pytest.raises(Retryable):
            await reconciler.reconcile(run_id="rec_1")

    assert await world.rows("SELECT token_id, state FROM breaks") == [(world.token.id, "open")]
    assert await world.rows("SELECT token_id FROM reconciliations WHERE run_id = 'rec_1'") == [
        (world.token.id,)
    ]


async def test_a_run_ends_without_a_chain_that_is_silent_for_long_and_says_so(
    world: Bridge, db_as: OpenAs
) -> None:
    """Until then it waits, and those of other chains are done before it."""
    watcher = await world.started()
    await world.finalize(watcher)
    async with world.owner.transaction() as conn:
        for another in ANOTHER:
            await conn.execute(another)
    outbox, db = Outbox(world.clock, SystemEntropy()), await db_as("worker")
    rpcs = {7: world.rpc("http://127.0.0.1:9"), world.network.chain_id: watcher._rpc}
    reconciler = Reconciler(db, world.clock, SystemEntropy(), outbox, rpcs)
    coins = GasCheck(db, Breaks(outbox), rpcs)
    runs = ReconciliationRuns(db, outbox, reconciler, BreakSearch(db, Breaks(outbox)), coins)
    async with world.owner.transaction() as conn:
        everything = await request(conn, outbox, requested_by="cli")
        one = await request(conn, outbox, requested_by="cli", chain_id=world.network.chain_id)

    assert await runs.run_once() == 1
    with pytest.raises(Retryable):
        await runs.run_once()
    world.clock.advance(PATIENCE.total_seconds())
    assert [await runs.run_once() for _ in range(2)] == [1, 0]

    async with db.read() as conn:
        first, second = await reconciliation_runs.several(conn, [one.id, everything.id])
    assert (first.compared, first.unanswered) == (1, [])
    assert (second.compared, second.unanswered) == (1, ["tok_7"])
    assert first.finished_at is not None
    assert second.finished_at is not None
    assert first.finished_at < second.finished_at


async def test_address_that_is_stored_while_its_token_is_compared_makes_no_residual(
    world: Bridge, db_as: OpenAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had come to it before is of the next comparison, which asks the chain for it too."""
    watcher = await world.started()
    await world.pay(await world.intent("10.50"), "10.50")
    await world.finalize(watcher)
    reconciler, asked = await reconciler_of(world, db_as), erc20.balances

    async def meanwhile(*question: Any) -> list[int]:
        async with world.owner.transaction() as conn:
            for stored in STORED_SINCE:
                await conn.execute(stored)
        return await asked(*question)

    monkeypatch.setattr(erc20, "balances", meanwhile)

    assert (await compared(reconciler)).residual == 0


async def test_final_transfer_that_is_not_booked_is_its_own_term(world: Bridge, db_as: OpenAs) -> None:
    """What leaves the vault while its token is suspended is booked when a person has looked at it."""
    watcher = await world.started()
    reconciler = await reconciler_of(world, db_as)
    await world.send(world.account(4).address, "500.00", payer=3)
    await world.finalize(watcher)
    await suspend(world)
    await world.send(world.account(1).address, "20.00", payer=4)
    await world.finalize(watcher)

    found = await compared(reconciler)

    assert (found.on_chain, found.journal) == (480_000_000, 500_000_000)
    assert (found.unbooked, found.residual) == (-20_000_000, 0)


async def test_opening_balances_are_in_the_comparison(world: Bridge, db_as: OpenAs) -> None:
    await world.send(world.account(4).address, "7.00", payer=1)
    await world.mine(5)
    await world.started()

    found = await compared(await reconciler_of(world, db_as))

    assert (found.on_chain, found.journal, found.residual) == (7_000_000, 7_000_000, 0)


async def test_comparison_is_kept_and_shown_in_base_units(world: Bridge, db_as: OpenAs) -> None:
    await world.started()
    [(subject, found)] = await (await reconciler_of(world, db_as)).reconcile()

    shown: dict[str, Any] = describe(subject, found)

    assert await world.rows("SELECT id, residual FROM reconciliations") == [(found.id, 0)]
    assert shown["object"] == "reconciliation"
    assert (shown["id"], shown["residual"], shown["currency"]) == (found.id, "0", "usdt")
