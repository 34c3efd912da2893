"""A payout's row moves along its machine only; its identity and its vault id are its own for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import errors

from bascule.domain.chain import Address, parse_address
from bascule.domain.errors import Conflict, Halted
from bascule.domain.payout import PAYOUT, PayoutEvent, PayoutState
from bascule.storage import addresses, payout_rounds, payouts, spending, standing
from bascule.storage.payouts import PayoutRow
from bascule.storage.queries import Queries, QueryError
from tests.support.cases import case
from tests.support.money_out import START, OpenAs, Treasury, treasury


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def locked(stage: Treasury, conn: Any, payout: dict[str, Any]) -> PayoutRow:
    row = await payouts.lock(conn, payout["id"])
    assert row is not None
    return row


async def in_transit(conn: Any, payout: PayoutRow, vault_id: int) -> PayoutRow:
    [taken] = await payouts.advance_to_in_transit(conn, [(vault_id, payout)])
    return taken


async def test_event_the_machine_refuses_changes_no_row(stage: Treasury) -> None:
    asked = await stage.request()
    refused = [event for event in PayoutEvent if not PAYOUT.may(PayoutState.REQUIRES_ACTION, event)]
    assert refused

    for event in refused:
        with case(event):
            async with stage.api.transaction() as conn:
                with pytest.raises(Conflict):
                    await payouts.advance(conn, await locked(stage, conn, asked), event)
            assert await stage.status(asked) == "requires_action"


async def test_row_that_was_read_before_another_change_does_not_move(stage: Treasury) -> None:
    stage.tells = False
    asked = await stage.request()
    async with stage.api.transaction() as conn:
        stale = await locked(stage, conn, asked)
        await payouts.advance(conn, stale, PayoutEvent.REJECT)
        with pytest.raises(QueryError):
            await payouts.advance(conn, stale, PayoutEvent.CANCEL)


async def test_payout_keeps_the_vault_id_it_was_given(stage: Treasury) -> None:
    stage.tells = False
    first, second = await stage.approved("1.00"), await stage.approved("2.00")
    async with stage.submitters_db.transaction() as conn:
        taken = await in_transit(conn, await locked(stage, conn, first), 7)
        released = await payouts.advance(conn, taken, PayoutEvent.RELEASE)
        assert released.vault_id == 7
        with pytest.raises(Halted, match="another id"):
            await in_transit(conn, released, 8)
        again = await in_transit(conn, released, 7)
        assert (again.state, again.version) == (PayoutState.IN_TRANSIT, taken.version + 2)
    with pytest.raises(errors.UniqueViolation, match="one_payout_per_vault_id"):
        async with stage.submitters_db.transaction() as conn:
            await in_transit(conn, await locked(stage, conn, second), 7)


async def test_released_id_binds_a_payout_to_its_own_lane_and_word(stage: Treasury) -> None:
    payout = await stage.approved()
    own_id = (3 << 224) | 300
    async with stage.submitters_db.transaction() as conn:
        taken = await in_transit(conn, await locked(stage, conn, payout), own_id)
        await payouts.advance(conn, taken, PayoutEvent.RELEASE)
        at = (taken.chain_id, taken.vault)

        assert await payouts.oldest_waiting(conn, *at, 0) is None
        found = await payouts.oldest_waiting(conn, *at, 3)
        assert found is not None
        assert found.id == taken.id
        assert await payouts.oldest_waiting(conn, *at, 3, [taken.token_id]) is None
        assert await payouts.oldest_waiting(conn, *at, 3, aside=[taken.id]) is None
        assert await payouts.lock_waiting(conn, *at, taken.token_id, 0, 10) == []
        for look in (payouts.waiting, payouts.lock_waiting):
            assert len(await look(conn, *at, taken.token_id, own_id >> 8, 10)) == 1
            assert await look(conn, *at, taken.token_id, own_id >> 8, 10, [taken.id]) == []


async def test_payout_locked_by_one_lane_is_skipped_by_the_other(stage: Treasury) -> None:
    payout = await stage.approved()
    async with stage.submitters_db.transaction() as conn:
        row = await locked(stage, conn, payout)
        async with stage.owner.transaction() as other:
            assert await payouts.lock_waiting(other, row.chain_id, row.vault, row.token_id, 0, 10) == []


async def test_reason_to_wait_is_told_once_and_gone_when_taken(stage: Treasury) -> None:
    payout = await stage.approved()
    async with stage.submitters_db.transaction() as conn:
        row = await locked(stage, conn, payout)
        where = (row.chain_id, row.vault, row.token_id)
        assert await payouts.mark_waiting(conn, *where, "float_short") == 1
        assert await payouts.mark_waiting(conn, *where, "float_short") == 0
    assert (await stage.read(payout))["waits_for"] == "float_short"

    await stage.run()

    assert (await stage.read(payout))["waits_for"] is None


async def test_many_payouts_of_one_vault_that_was_left_hide_none_of_another(stage: Treasury) -> None:
    stage.tells = False
    await stage.request()
    chain_id, vaults = stage.network.chain_id, [Address(bytes([n]) * 20) for n in (7, 8)]
    async with stage.owner.transaction() as conn:
        for vault in vaults:
            await addresses.add_own(conn, chain_id, vault, "vault")
        await conn.execute(
            "INSERT INTO payouts SELECT made.* FROM payouts AS p, generate_series(1, 102) AS n,"
            " jsonb_populate_record(p, jsonb_build_object('id', p.id || n, 'identity', p.identity || n,"
            " 'vault', CASE WHEN n < 102 THEN %s ELSE %s END,"
            " 'created_at', p.created_at + n * interval '1 s')) AS made",
            ["\\x" + vault.hex() for vault in vaults],
        )
        found = await payout_rounds.left_behind(conn, chain_id, parse_address(stage.vault))
        assert {vault: len(ids) for vault, ids in found.items()} == {vaults[0]: 100, vaults[1]: 1}
        ids = [*found[vaults[0]], *found[vaults[1]]]
        assert await payouts.mark_some_waiting(conn, ids, "restore_unsettled") == 0, "they wait for people"


async def test_spending_of_a_day_leaves_out_what_was_called_off(stage: Treasury) -> None:
    kept, gone = await stage.request("3.00"), await stage.request("4.00")
    await stage.reject(gone)
    async with stage.api.read() as conn:
        row = await payouts.get(conn, kept["id"])
        assert row is not None
        of = (conn, row.account_id, row.livemode, row.token_id)
        whole = await spending.asked_since(*of, day=START, window=START)
        assert (whole.spent, whole.in_window) == (3_000_000, 1)
        to = row.destination
        assert await spending.asked_of(*of, [to], START) == {to: 3_000_000}
        later = row.created_at
        none = await spending.asked_since(*of, day=later, window=later)
        assert (none.spent, none.in_window) == (0, 0)
        assert await spending.asked_of(*of, [to], later) == {}
        others = (conn, row.account_id, not row.livemode, row.token_id)
        assert (await spending.asked_since(*others, day=START, window=START)).spent == 0
        assert await spending.asked_of(*others, [to], START) == {}


async def test_what_waits_is_counted_by_state_with_the_age_of_the_oldest(stage: Treasury) -> None:
    await stage.request()
    stage.clock.advance(timedelta(minutes=1))
    await stage.approved("2.00")

    async with stage.owner.read() as conn:
        found = await standing.read(conn, stage.clock.now())

    assert {(each.kind, each.open, each.oldest_s) for each in found.payouts} == {
        ("requires_action", 1, 60.0),
        ("pending", 1, 0.0),
    }


async def test_payouts_one_of_which_screening_holds_do_not_go_out_together(stage: Treasury) -> None:
    """Whatever the submitter looked at before: the row itself does not move, nor do those beside it."""
    stage.tells = False
    asked = [await stage.approved("5.00"), await stage.approved("7.00")]
    await stage.rows_change(
        "INSERT INTO screening_lists (id, name, version, digest, entries, added, removed, imported_by,"
        " created_at) VALUES ('ofac.1', 'ofac', 1, decode(repeat('01', 32), 'hex'), 1, 1, 0, 'cli', now())"
    )
    await stage.rows_change(
        "INSERT INTO screenings (id, account_id, livemode, payout_id, address, list, version, reference,"
        " state, created_at) SELECT 'scr_1', account_id, livemode, id, destination, 'ofac', 1, 'SDN 1',"
        " 'open', now() FROM payouts WHERE id = %s",
        asked[1]["id"],
    )

    async def take() -> None:
        async with stage.submitters_db.transaction() as conn:
            rows = [await locked(stage, conn, payout) for payout in asked]
            await payouts.advance_to_in_transit(conn, list(enumerate(rows)))

    with pytest.raises(errors.InsufficientPrivilege, match=f"screening holds payout {asked[1]['id']}"):
        await take()
    assert [await stage.status(payout) for payout in asked] == ["pending", "pending"]

    await stage.rows_change(
        "UPDATE screenings SET state = 'released', decided_at = now(), decided_by = 'cli', reason = 'case 7'"
    )
    await take()
    assert [await stage.status(payout) for payout in asked] == ["in_transit", "in_transit"]


async def test_where_no_vault_was_left_no_payout_is_read_to_find_those_left_behind(stage: Treasury) -> None:
    """Every lane asks in every turn, whatever waits: by a plan with statistics, and by one without them."""
    await stage.request()
    here = {"chain_id": stage.network.chain_id, "vault": stage.network.vault}
    query = Queries("payouts").file.queries["left_behind"].text.encode()
    async with stage.owner.transaction() as conn:
        for first in (b"SELECT", b"ANALYZE payouts, networks, own_addresses, lanes"):
            await conn.execute(first)
            [[[told]]] = await (
                await conn.execute(b"EXPLAIN (ANALYZE, FORMAT json) " + query, here)
            ).fetchall()
            assert [part["Actual Loops"] for part in _reading("payouts", told["Plan"])] == [0], (first, told)


def _reading(table: str, plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a plan that read a table."""
    here = [plan] if plan.get("Relation Name") == table else []
    return here + [found for part in plan.get("Plans", []) for found in _reading(table, part)]
