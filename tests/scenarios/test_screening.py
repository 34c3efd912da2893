"""Stories of money whose sender stands on a sanctions list: held in every path, let go or held for good."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Conflict, Rejected
from bascule.services import balances
from bascule.services.choices import Choices
from bascule.services.compliance import Compliance
from bascule.storage import audit, deadlines, refunds, screening_lists
from tests.support.money_in import Bridge, OpenAs, address_of, bridge
from tests.support.postgres import TestServer
from tests.support.rebuilding import compared_by_rows, empty_beside, said
from tests.support.screening import (
    decided,
    imported,
    listing,
    lists,
    lying,
    rescreen,
    screened,
    waits_for_others,
)

HELD = {"custody:forwarders": 10_000_000, "screened:merchant": -10_000_000}


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


async def balance(b: Bridge) -> dict[str, str]:
    """What the merchant has, by kind, of the one token there is."""
    async with b.api.read() as conn:
        shown = await balances.describe(conn, b.merchant, False)
    return {kind: shown[kind][0]["amount"] for kind in balances.KINDS}


async def test_a_listed_sender_pays_and_the_money_is_held_until_it_is_released(b: Bridge) -> None:
    """Held it is in no balance, refundable nowhere, flushed by nobody; released it pays as if nothing was."""
    watcher = await b.started()
    await lists(b, 1)
    intent = await b.intent("10.00")

    await b.pay(intent, "10.00")
    await b.settle_down(watcher)

    shown = await b.shown(intent)
    assert (shown["status"], shown["flags"], shown["amount_received"]) == (
        "requires_action",
        ["held"],
        "0.000000",
    )
    [deposit] = await b.deposits()
    assert (deposit["unapplied_reason"], deposit["next_steps"]) == ("held", [])
    await b.finalize(watcher)
    assert await b.booked() == HELD
    assert set((await balance(b)).values()) == {"0.000000"}
    async with b.owner.transaction() as conn:
        assert await refunds.refundable(conn, intent["id"]) == []
    assert await lying(b) == []

    [screening] = await screened(b)
    assert (screening["status"], screening["deposit"]) == ("open", deposit["id"])
    assert (screening["address"], screening["list"]) == (checksum(address_of(b.account(1))), "ofac.1")
    before = len(await b.events())
    released = await decided(b, "release", screening)

    assert (released["status"], released["decided_by"], released["reason"]) == ("released", "key_c", "case 7")
    shown = await b.shown(intent)
    assert (shown["status"], shown["flags"], shown["amount_received"]) == ("succeeded", [], "10.000000")
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}
    assert (await b.events())[before:] == [
        "deposit.applied",
        "payment_intent.processing",
        "payment_intent.succeeded",
        "payment_intent.released",
        "balance.available",
        "screening.released",
    ]
    told = await b.rows(
        "SELECT account_id, object ->> 'status' FROM outbox WHERE type LIKE 'screening.%' ORDER BY id"
    )
    assert told == [(b.operator, "open"), (b.operator, "released")], "the operator is told, not the merchant"
    with pytest.raises(Conflict, match="needs it to be open"):
        await decided(b, "reject", screening)
    async with b.owner.read() as conn:
        lines = await audit.of_object(conn, screening["id"])
    assert [(line["actor"], line["action"]) for line in lines] == [("key_c", "screening.release")]


async def test_rejected_money_stays_held_and_no_merchant_decides_about_it(b: Bridge) -> None:
    watcher = await b.started()
    await lists(b, 1)
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    [screening], [deposit] = await screened(b), await b.deposits()

    rejected = await decided(b, "reject", screening)

    assert (rejected["status"], rejected["next_step"][:15]) == ("rejected", "Leave the money")
    told = [event for event in await b.events() if event.startswith("screening.")]
    assert told == ["screening.opened", "screening.rejected"]
    assert await b.booked() == HELD
    whose: dict[str, Any] = {"account_id": b.merchant, "livemode": False}
    for choice in ("accept", "apply"):
        more = (deposit["id"],) if choice == "accept" else (deposit["id"], intent["id"])
        with pytest.raises(Rejected) as refused:
            async with b.api.transaction() as conn:
                await getattr(Choices(b.clock, b.outbox), choice)(conn, *more, **whose)
        assert refused.value.code == "deposit_held"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="screening holds deposit"):
        async with b.owner.transaction() as conn:
            await conn.execute("UPDATE applications SET state = 'accepted', reason = NULL")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only decided once"):
        async with b.owner.transaction() as conn:
            await conn.execute("UPDATE screenings SET state = 'released'")


async def test_held_money_that_would_have_paid_keeps_its_intent_open_and_is_in_time_when_released(
    b: Bridge,
) -> None:
    """Lateness is judged by the block, so the compliance role may take its time."""
    watcher = await b.started()
    await lists(b, 1)
    now = int(b.clock.now().timestamp())
    intent = await b.intent("10.00", expires_at=now + 300, closes_at=now + 600)
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    b.clock.advance(3_600)
    await b.finalize(watcher)
    async with b.owner.read() as conn:
        assert await deadlines.intents_to_close(conn, b.clock.now(), limit=10) == []
        assert not await deadlines.may_close(conn, intent["id"])

    [screening] = await screened(b)
    await decided(b, "release", screening)

    assert (await b.shown(intent))["status"] == "succeeded"


async def test_overpaid_and_late_money_is_held_whole_and_goes_on_by_its_own_rules(b: Bridge) -> None:
    """What is released after the intent was paid, or was canceled, is unapplied for that reason."""
    watcher = await b.started()
    paid, canceled = await b.intent("10.00"), await b.intent("5.00")
    await b.cancel(canceled)
    await lists(b, 1)
    await b.pay(paid, "10.00", payer=2)
    await b.pay(paid, "10.00", payer=1)
    await b.pay(canceled, "5.00", payer=1)
    await b.finalize(watcher)
    assert (await b.shown(paid))["flags"] == ["held"]
    assert (await b.booked())["screened:merchant"] == -15_000_000

    for screening in await screened(b):
        await decided(b, "release", screening)

    reasons = [each["unapplied_reason"] for each in await b.deposits()]
    assert reasons == [None, "already_paid", "intent_closed"]
    assert (await b.booked())["suspense:merchant"] == -15_000_000
    assert (await balance(b))["available"] == "10.000000"


async def test_a_list_that_comes_after_the_payment_holds_it_before_it_reaches_a_balance(
    b: Bridge, db_as: OpenAs
) -> None:
    watcher = await b.started()
    first, second = await b.intent("10.00"), await b.intent("10.00")
    await b.pay(first, "10.00")
    await b.settle_down(watcher)
    await lists(b, 1)
    await b.pay(second, "10.00", payer=2)
    await b.finalize(watcher)

    assert ((await b.shown(first))["status"], (await b.shown(first))["flags"]) == (
        "requires_action",
        ["held"],
    )
    assert (await b.shown(second))["status"] == "succeeded"
    assert (await b.booked())["screened:merchant"] == -10_000_000
    assert "payment_intent.requires_action" in await b.events()
    assert await rescreen(b, db_as) == 0, "the watcher was faster"


async def test_a_new_version_holds_what_waits_and_leaves_what_was_credited(b: Bridge, db_as: OpenAs) -> None:
    """Unapplied money is held by the worker at once, and one that is not final by the time it is."""
    watcher = await b.started()
    intent, other = await b.intent("10.00"), await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    await b.pay(other, "10.00")
    await b.settle_down(watcher)
    await lists(b, 1)

    assert len(await lying(b)) == 1
    assert await rescreen(b, db_as) == 2
    assert await rescreen(b, db_as) == 0
    assert await lying(b) == [], "what counts for nothing for another reason is swept no more either"
    assert await b.booked() == {
        "custody:forwarders": 20_000_000,
        "available:merchant": -10_000_000,
        "screened:merchant": -10_000_000,
    }
    await lists(b, 2, may_shrink=True)  # the address is off the list by then; what was found stays found
    await b.finalize(watcher)
    assert (await b.shown(other))["flags"] == ["held"]
    assert (await b.booked())["screened:merchant"] == -20_000_000


async def test_a_held_deposit_that_is_reorganised_away_is_held_again_when_it_comes_back(b: Bridge) -> None:
    watcher = await b.started()
    await lists(b, 1)
    intent = await b.intent("10.00")
    tx_hash = await b.pay(intent, "10.00")
    await b.settle_down(watcher)
    await b.node.dev.reorg(1, [tx_hash])
    await b.mine(2)
    await b.settle_down(watcher)
    [deposit], [screening] = await b.deposits(), await screened(b)
    assert (deposit["status"], screening["subject_status"]) == ("orphaned", "orphaned")

    await b.pay(intent, "10.00")
    await b.finalize(watcher)

    [deposit], [screening] = await b.deposits(), await screened(b)
    assert (deposit["status"], screening["status"]) == ("finalized", "open")
    assert await b.booked() == HELD


async def test_a_file_that_is_wrong_changes_nothing_and_what_a_version_said_stays(b: Bridge) -> None:
    await b.settle_down(await b.started())
    await lists(b, 1, 2)
    stored = "SELECT * FROM screening_lists", "SELECT * FROM screening_entries"
    before = [await b.rows(each) for each in stored]
    again = await lists(b, 1, 2)
    assert again["version"] == 1, "the same file is the version in force"
    with pytest.raises(Rejected, match=r"^line 3: An address is 0x and 40 hexadecimal digits\.$"):
        await imported(b, listing(b.account(1).address) + "0x12,x\n")
    with pytest.raises(Conflict, match="1 of 2 addresses would go off the list"):
        await lists(b, 1)
    planned = await lists(b, 1, may_shrink=True, dry_run=True)
    assert (planned["version"], planned["added"], planned["removed"]) == (2, 0, 1)
    assert [await b.rows(each) for each in stored] == before

    await lists(b, 1, may_shrink=True)

    async with b.owner.read() as conn:
        first, second = [await screening_lists.entries(conn, "ofac", version) for version in (1, 2)]
    kept, gone = (address_of(b.account(number)) for number in (1, 2))
    assert (set(first), set(second)) == ({kept, gone}, {kept})


async def test_money_that_was_accepted_before_it_was_final_is_held_if_a_list_comes_first(
    b: Bridge, db_as: OpenAs
) -> None:
    """What a merchant keeps without an intent is held as what counts for one, and the chain goes on."""
    watcher = await b.started()
    lost = Address(b"\x5e" * 20)
    async with b.owner.transaction() as conn:
        await conn.execute(
            "INSERT INTO deposit_addresses (chain_id, address, account_id, factory, epoch, n)"
            " VALUES (%s, %s, %s, %s, 7, 0)",
            [b.network.chain_id, lost, b.merchant, b.network.deposit_factory],
        )
    for canceled in (await b.intent("10.00"), await b.intent("10.00")):
        await b.cancel(canceled)
        await b.pay(canceled, "10.00")
    await b.send(checksum(lost), "10.00")
    await b.mine()
    await b.settle_down(watcher)
    for deposit in await b.deposits():
        async with b.api.transaction() as conn:
            choices = Choices(b.clock, b.outbox)
            await choices.accept(conn, deposit["id"], account_id=b.merchant, livemode=False)
    await lists(b, 1)
    assert await rescreen(b, db_as) == 3
    kept = (await b.deposits())[0]["id"]
    [early] = [each for each in await screened(b) if each["deposit"] == kept]
    await decided(b, "release", early)  # before it is final: it stays accepted

    await b.finalize(watcher)

    assert await b.booked() == {
        "custody:forwarders": 30_000_000,
        "available:merchant": -10_000_000,
        "screened:merchant": -20_000_000,
    }
    assert [each["unapplied_reason"] for each in await b.deposits()] == [None, "held", "held"]
    for screening in await screened(b):
        if screening["status"] == "open":
            await decided(b, "release", screening)
    assert [each["unapplied_reason"] for each in await b.deposits()] == [None, "intent_closed", "no_intent"]
    assert (await b.booked())["suspense:merchant"] == -20_000_000


async def test_whoever_is_listed_by_now_is_accepted_by_no_merchant_while_the_worker_is_down(
    b: Bridge, db_as: OpenAs
) -> None:
    watcher = await b.started()
    intent, other = await b.intent("10.00"), await b.intent("10.00")
    await b.pay(intent, "10.00", payer=2)
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    await lists(b, 1)

    duplicate = (await b.deposits())[1]["id"]
    choices = Choices(b.clock, b.outbox)
    for choose, more in ((choices.accept, ()), (choices.apply, (other["id"],))):
        with pytest.raises(Rejected) as refused:
            async with b.api.transaction() as conn:
                await choose(conn, duplicate, *more, account_id=b.merchant, livemode=False)
        assert refused.value.code == "deposit_held"
    assert (await balance(b))["available"] == "10.000000"

    assert await rescreen(b, db_as) == 1
    [screening] = await screened(b)
    await decided(b, "release", screening)
    async with b.api.transaction() as conn:
        await choices.accept(conn, duplicate, account_id=b.merchant, livemode=False)
    assert (await balance(b))["available"] == "20.000000"


async def test_a_list_that_comes_while_somebody_decides_finds_what_was_decided(
    b: Bridge, db_as: OpenAs
) -> None:
    """It comes into force behind whoever looked at the lists before: it passes over nobody's money."""
    watcher = await b.started()
    await lists(b, 1)
    canceled = await b.intent("10.00")
    await b.cancel(canceled)
    await b.pay(canceled, "10.00")
    await b.finalize(watcher)
    [first] = await screened(b)

    async with b.api.transaction() as conn:
        await Compliance(b.clock, b.outbox).release(conn, first["id"], reason="case 7", actor="key_c")
        other = asyncio.create_task(imported(b, listing(b.account(1).address), "un", await db_as("api")))
        await waits_for_others(b)
    await other

    assert await rescreen(b, db_as) == 1
    assert await b.booked() == HELD


async def test_what_one_list_releases_another_list_still_holds(
    b: Bridge, postgres_server: TestServer, database_name: str
) -> None:
    """And books made anew say so, too."""
    watcher = await b.started()
    await lists(b, 1)
    await imported(b, listing(b.account(1).address), name="un")
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    [first] = await screened(b)

    await decided(b, "release", first)

    [second] = [each for each in await screened(b) if each["status"] == "open"]
    assert (first["list"], second["list"]) == ("ofac.1", "un.1")
    assert (await b.shown(intent))["flags"] == ["held"]
    assert await b.booked() == HELD
    async with empty_beside(postgres_server, f"{database_name}_rebuild") as anew:
        assert said(await compared_by_rows(b.owner, anew)) == []
    await decided(b, "release", second)
    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}
