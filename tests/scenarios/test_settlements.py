"""Settlements: what a merchant has goes to its own address by its schedule, each period once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import LiteralString

import pytest
from psycopg import errors

from bascule.domain.chain import Address, Hash, parse_address
from bascule.domain.settlement import LOOK_AGAIN
from bascule.domain.vault import tag
from bascule.entrypoints.explaining import explain
from bascule.services.payout_request import everlasting
from bascule.storage import lanes, recovered
from bascule.storage.recovered import Item
from tests.support.money_out import OpenAs, payee
from tests.support.outgoing import FORGET_WHAT_WAS_READ_BACK
from tests.support.refunding import COOL_OFF_S
from tests.support.settling import ASSET, HOME, Settling, another, settling


@pytest.fixture
async def b(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Settling]:
    async with settling(db_as, tmp_path) as built:
        yield built
        await built.shop.stage.require_truth()
        await built.shop.world.require_even()


async def test_each_day_all_but_the_reserve_goes_out_under_the_mandate_however_many_workers_there_are(
    b: Settling,
) -> None:
    await b.allow()
    await b.shop.paid("20.00")
    balance = (await b.shop.client.get("/v1/balance")).json()
    assert {part["amount"] for part in balance["reserved"]} == {"0.000000"}, "nobody has asked for any"
    await b.cooled(reserve="5.00", minimum="1.00")
    balance = (await b.shop.client.get("/v1/balance")).json()
    assert [part["amount"] for part in balance["reserved"] if part["currency"] == "usdt"] == ["5.000000"]
    assert await b.turn() == [], "the day is not over"

    b.pass_(timedelta(days=1))
    second = another(b)
    for _ in range(3):
        await asyncio.gather(b.settler.run_once(), second.run_once())
    [first] = await b.turn()
    assert (first["period"], first["amount"], first["status"], first["to"]) == (
        1, "15.000000", "scheduled", HOME,
    )  # fmt: skip
    assert await b.shop.books() == {"available": 20_000_000, "held": 15_000_000}
    [first] = await b.pay()
    assert (first["status"], first["next_action"]) == ("completed", None)
    assert await b.told(first) == ["scheduled", "updated", "completed"]

    assert len(await b.a_day()) == 1, "the reserve alone is no settlement"
    last = (await b.settings())["last_run"]
    assert last["outcome"] == "nothing_due"
    await b.shop.paid("4.00")
    [_, again] = await b.a_day()
    assert (again["period"], again["amount"]) == (2, "4.000000")
    await b.pay()
    assert await b.shop.stage.transfers_out() == [(HOME, 15_000_000), (HOME, 4_000_000)]
    assert await b.shop.books() == {"available": 5_000_000, "held": 0}


async def test_settlement_leaves_what_claimed_refunds_need_and_a_share_of_what_is_there(b: Settling) -> None:
    """A refund holds nothing before its payout is approved; no settlement takes its money meanwhile."""
    await b.allow()
    intent = await b.shop.paid("20.00", "25.00")
    await b.cooled(reserve="1.00", reserve_bps=1_000, minimum="2.00")
    refund = await b.shop.refund(intent, amount="8.00")
    await b.shop.refund(intent, amount="2.00")  # nobody claims this one
    await b.shop.enter(refund, HOME, confirm=True)

    [first] = await b.a_day()
    assert first["amount"] == "15.000000", "5.00 of the 8.00 were too much and are in suspense, 3.00 are not"
    await b.pay()
    shown = (await b.shop.client.get("/v1/balance")).json()
    assert [part["amount"] for part in shown["reserved"] if part["currency"] == "usdt"] == ["1.000000"]
    assert await b.shop.turn() == {"paid": 1, "requires_action": 1}
    assert len(await b.a_day()) == 1, "its payout waits for approval: still its own"
    await b.shop.approve(refund)
    await b.shop.pay()
    assert (await b.shop.read(refund))["status"] == "succeeded"


async def test_settlement_waits_for_people_and_what_they_reject_the_next_period_takes(b: Settling) -> None:
    await b.shop.paid("20.00")
    await b.cooled()
    [first] = await b.a_day()
    assert (first["status"], first["next_action"]["type"]) == ("scheduled", "approve_payout")
    assert len(await b.a_day()) == 1, "what waits for approval is promised to it"
    await b.shop.paid("3.00")
    [_, second] = await b.a_day()
    assert second["amount"] == "3.000000", "what came since"
    await b.shop.client.post(f"/v1/payouts/{first['payout']}/reject")
    [first, second] = await b.turn()
    assert (first["status"], first["failure_code"]) == ("failed", "approval_rejected")

    await b.shop.paid("1.00")
    [_, _, third] = await b.a_day()
    assert third["amount"] == "21.000000", "the money came back, and the next period takes it"
    await b.sign(second)
    await b.sign(third)
    ended = await b.pay()
    assert [each["status"] for each in ended] == ["failed", "completed", "completed"]
    assert sorted(await b.shop.stage.transfers_out()) == [(HOME, 3_000_000), (HOME, 21_000_000)]
    assert await b.shop.books() == {"available": 0, "held": 0}


@pytest.mark.slow
async def test_new_address_is_not_paid_before_its_cool_off_and_one_that_is_denied_not_at_all(
    b: Settling,
) -> None:
    await b.allow()
    await b.shop.paid("20.00")
    await b.cooled()
    b.pass_(await b.left() - timedelta(seconds=60))
    changed = await b.say(to=payee(801))
    assert changed["destination"]["usable_from"] == int(b.shop.stage.clock.now().timestamp()) + COOL_OFF_S
    b.pass_(timedelta(seconds=61))
    asked = await b.ask()
    assert (asked.status_code, asked.json()["error"]["code"]) == (409, "settlement_destination_in_cooloff")
    [waiting] = await b.turn()
    assert (waiting["waits_for"], waiting["next_action"]["type"], waiting["payout"]) == (
        "settlement_cool_off", "cool_off", None,
    )  # fmt: skip
    back = await b.say()
    assert back["destination"]["usable_from"] > changed["destination"]["usable_from"], "it cools off anew"
    await b.shop.deny(HOME)
    b.pass_(timedelta(seconds=COOL_OFF_S))
    [denied] = await b.turn()
    assert (denied["waits_for"], denied["next_action"]["type"]) == ("destination_denylisted", "review_policy")
    refused = await b.shop.client.post("/v1/balance_settings", json=ASSET | {"interval": "daily", "to": HOME})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "destination_denylisted")

    await b.say(interval="manual", to=None)
    b.pass_(LOOK_AGAIN)
    [lost] = await b.turn()
    assert (lost["waits_for"], lost["next_action"]["type"]) == ("destination_missing", "set_destination")
    async with b.shop.stage.owner.read() as conn:
        told = await explain(conn, lost["id"])
    assert told is not None
    assert "balance settings" in told["next"]
    canceled = await b.shop.post(f"/v1/settlements/{lost['id']}/cancel")
    assert canceled["status"] == "canceled"
    assert await b.told(lost) == ["scheduled", "updated", "updated", "updated", "canceled"]
    assert await b.shop.books() == {"available": 20_000_000, "held": 0}
    audited = await b.shop.stage.rows(
        "SELECT details -> 'now' -> 'destination' ->> 'to' FROM audit_log"
        " WHERE action = 'balance_settings.updated' ORDER BY id"
    )
    assert [to for (to,) in audited] == [HOME, payee(801), HOME, None]


@pytest.mark.slow
async def test_weekly_and_threshold_and_requested_settlements_each_come_when_they_are_due(
    b: Settling,
) -> None:
    await b.allow()
    await b.shop.paid("20.00")
    monday = await b.cooled(interval="weekly", weekday="monday", hour=6)
    for _ in range(7):
        found = await b.a_day()
    assert [each["due_at"] for each in found] == [monday["next_run_at"]]
    await b.pay()

    await b.cooled(interval="threshold", threshold="10.00")
    await b.shop.paid("9.00")
    assert len(await b.a_day()) == 1, "below the threshold"
    await b.shop.paid("1.00")
    b.pass_(timedelta(minutes=10))
    [_, reached] = await b.turn()
    assert reached["amount"] == "10.000000"
    await b.pay()

    await b.cooled(interval="manual", minimum="2.00")
    await b.shop.paid("1.99")
    nothing = await b.ask()
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (409, "settlement_nothing_due")
    assert "1.990000" in nothing.json()["error"]["message"]
    await b.shop.paid("1.00")
    asked = await b.ask()
    assert (asked.status_code, asked.json()["due_at"]) == (200, None)
    assert (await b.ask()).json()["error"]["code"] == "settlement_waits"
    await b.turn()
    ended = await b.pay()
    assert [each["status"] for each in ended] == ["completed"] * 3
    assert sum(amount for _, amount in await b.shop.stage.transfers_out()) == 32_990_000


@pytest.mark.slow
async def test_payout_that_the_token_refuses_or_the_merchant_calls_off_leaves_its_money_to_the_next_period(
    b: Settling,
) -> None:
    """While the vault's limit is too small, the settlement waits with everybody else."""
    mandate = await b.allow()
    await b.shop.paid("20.00")
    await b.cooled()
    contract = b.shop.stage.token.contract
    await b.shop.stage.vault_owner("setLimit(address,uint96,uint32)", contract, 1, 86_400)
    [first] = await b.a_day()
    await b.pay()
    assert (await b.shop.client.get(f"/v1/payouts/{first['payout']}")).json()["status"] == "pending"
    canceled = await b.shop.post(f"/v1/settlements/{first['id']}/cancel")
    assert canceled["status"] == "canceled"
    again = await b.shop.client.post(f"/v1/settlements/{first['id']}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "settlement_unexpected_state")
    await b.shop.stage.vault_owner("setLimit(address,uint96,uint32)", contract, 10**12, 86_400)

    await b.shop.stage.issuer("blacklist(address)", HOME)
    [_, second] = await b.a_day()
    assert (second["period"], second["amount"]) == (2, "20.000000")
    [_, second] = await b.pay()
    assert (second["status"], second["failure_code"]) == ("failed", "destination_frozen")
    assert await b.shop.books() == {"available": 20_000_000, "held": 0}

    await b.shop.post(f"/v1/mandates/{mandate['id']}/revoke")
    await b.allow(to=payee(801))
    await b.cooled(to=payee(801))
    await b.a_day()
    ended = await b.pay()
    assert [each["status"] for each in ended] == ["canceled", "failed", "completed"]
    assert await b.shop.stage.transfers_out() == [(payee(801), 20_000_000)]


@pytest.mark.slow
async def test_period_that_was_paid_before_a_restore_is_not_paid_again(b: Settling) -> None:
    """A closed lane is waited for; what the vault knows is a person's, and the period after it goes on."""
    await b.allow()
    await b.shop.paid("20.00")
    await b.cooled()
    stage = b.shop.stage
    wallet = parse_address(stage.wallet.address)
    async with stage.owner.transaction() as conn:
        await lanes.say_closed(conn, stage.network.chain_id, wallet, "the vault is ahead")
    [waiting] = await b.a_day()
    assert (waiting["waits_for"], waiting["next_action"]) == ("lane_closed", None)
    mark = tag(everlasting(b.shop.world.merchant, False, f"settlement:{stage.token.id}:1"))
    async with stage.owner.transaction() as conn:
        await lanes.say_closed(conn, stage.network.chain_id, wallet, None)
        await recovered.insert(
            conn, stage.network.chain_id, parse_address(stage.vault), Address(stage.token.contract),
            Hash(b"\7" * 32), 1, [Item(7, mark, "paid", parse_address(HOME), 19_000_000)],
        )  # fmt: skip
    [waiting] = await b.a_day()
    assert (waiting["waits_for"], waiting["next_action"]["type"]) == ("payout_recovered", "resolve_break")
    await b.shop.post(f"/v1/settlements/{waiting['id']}/cancel")
    [_, waiting] = await b.a_day()
    assert (waiting["period"], waiting["waits_for"]) == (2, "payout_recovered"), (
        "another number is no way out"
    )

    await stage.rows_change(
        "INSERT INTO breaks (id, type, subject, chain_id, livemode, state, evidence, opened_at, seen_at,"
        " resolved_at, resolution) VALUES ('brk_1', 'payout_of_lost_request', 'x', 31337, false, 'resolved',"
        " jsonb_build_object('tag', %s::text), now(), now(), now(), '{}')",
        "0x" + mark.hex(),
    )
    [_, second] = await b.a_day()
    assert (second["waits_for"], second["payout"] is None) == (None, False)
    [first, second] = await b.pay()
    assert (first["status"], second["status"]) == ("canceled", "completed")
    await stage.rows_change(FORGET_WHAT_WAS_READ_BACK)


_ANOTHER: LiteralString = (
    "INSERT INTO settlements (id, account_id, livemode, token_id, requested_by, created_at, amount, period)"
    " SELECT 'stl_forged', account_id, livemode, token_id, requested_by, created_at, amount, "
)
_OF_FIRST: LiteralString = " FROM settlements WHERE period = 1"


@pytest.mark.slow
async def test_workers_login_settles_to_the_address_of_the_settings_alone_and_ends_nothing_otherwise(
    b: Settling,
) -> None:
    await b.shop.paid("20.00")
    await b.cooled()
    [first] = await b.a_day()
    await b.shop.client.post(f"/v1/payouts/{first['payout']}/reject")
    await b.turn()
    await b.say(reserve="1.00", to=payee(801))
    await b.a_day()
    forged: tuple[LiteralString, ...] = (
        "UPDATE settlements SET destination = decode(repeat('ab', 20), 'hex') WHERE period = 2",
        "UPDATE settlements SET state = 'completed', ended_at = now() WHERE period = 2",
        "UPDATE settlements SET state = 'scheduled', ended_at = NULL, failure_code = NULL WHERE period = 1",
        "UPDATE settlements SET amount = 1 WHERE period = 1",
        "UPDATE balance_settings SET destination = decode(repeat('ab', 20), 'hex')",
        "UPDATE balance_settings SET reserve = 0",
        "DELETE FROM settlements",
        _ANOTHER + "2147483647" + _OF_FIRST,
        _ANOTHER
        + "3"
        + _OF_FIRST
        + "; UPDATE settlements AS s SET payout_id = p.id, destination = p.destination"
        " FROM payouts AS p WHERE s.period = 3",
    )
    for statement in forged:
        with pytest.raises(errors.InsufficientPrivilege):
            async with b.shop.world.workers_db.transaction() as conn:
                await conn.execute(statement)
