"""Stories of tokens that are not what they seem, or stop being it: fakes, fees, pauses, lists, upgrades."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from bascule.domain.chain import checksum
from bascule.domain.errors import Conflict, Rejected
from bascule.services.balance_check import BalancesDisputed
from bascule.services.choices import Choices
from bascule.services.token_resuming import resume
from bascule.storage import tokens
from tests.support.chain import calldata
from tests.support.issuing import ISSUER, accept, accept_quirk, issuer, suspended
from tests.support.money_in import FUNDS, Bridge, OpenAs, bridge, deposit_address
from tests.support.nodes import lying_node


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def take_back(b: Bridge, reason: str = "looked at it") -> list[str]:
    async with b.owner.transaction() as conn:
        ended = await resume(conn, b.token.id, reason=reason, clock=b.clock, outbox=b.outbox)
    return [each.cause for each in ended]


async def refused_intent(b: Bridge) -> str:
    with pytest.raises(Rejected) as caught:
        await b.intent("5.00")
    return caught.value.code


# ───────────── assets are contracts ─────────────
async def test_fake_with_the_same_symbol_pays_nothing_and_is_listed(b: Bridge) -> None:
    """One that moves its own worthless units, and one that only logs the real event."""
    watcher = await b.started()
    fakes = [
        await b.node.deploy(b.account(ISSUER), f"quirks/{quirk}", [], [])
        for quirk in ("EighteenDecimals", "LogsWithoutMoving")
    ]
    await b.node.transact(
        b.account(ISSUER), to=fakes[0], data=calldata("mint(address,uint256)", [b.account(1).address, FUNDS])
    )
    intent = await b.intent("10.50")
    for fake in fakes:
        await b.pay(intent, "10.50", token=fake)
    await b.finalize(watcher)

    shown = await b.shown(intent)
    assert (shown["status"], shown["amount_received"]) == ("requires_action", "0.000000")
    assert [d["unapplied_reason"] for d in await b.deposits()] == ["unsupported_token"] * 2
    assert await b.booked() == {}
    await b.pay(intent, "10.50")
    await b.finalize(watcher)
    assert (await b.shown(intent))["status"] == "succeeded"


async def test_bridged_and_native_of_the_same_symbol_are_two_assets(b: Bridge) -> None:
    """Both are accepted; an intent in one is not paid by the other, and the books keep them apart."""
    native = b.token
    contract = await b.node.deploy(
        b.account(ISSUER),
        "TestDollar",
        ["string", "string", "address"],
        ["Test Dollar", "USDT", b.account(ISSUER).address],
    )
    bridged = await accept(b, contract, "tok_bridged", currency="usdte")
    async with b.owner.transaction() as conn:
        b.token = await tokens.publish(conn, native)
    watcher = await b.started()
    intent = await b.intent("10.00")

    await b.pay(intent, "10.00", token=contract)
    await b.finalize(watcher)

    [deposit] = await b.deposits()
    assert (deposit["token"], deposit["currency"]) == (bridged.id, "usdte")
    assert deposit["unapplied_reason"] == "wrong_token"
    assert (await b.shown(intent))["status"] == "requires_action"
    assert await b.booked() == {}
    b.token = bridged
    assert await b.booked() == {"custody:forwarders": 10_000_000, "suspense:merchant": -10_000_000}
    b.token = native
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


# ───────────── logs against balances ─────────────
async def test_fee_on_transfer_that_is_logged_credits_what_arrived(b: Bridge) -> None:
    await accept_quirk(b, "TakesFee")
    watcher = await b.started()
    intent = await b.intent("10.00")

    await b.pay(intent, "10.00")
    await b.finalize(watcher)

    assert (await b.shown(intent))["amount_received"] == "9.900000"
    assert await suspended(b) is None
    assert (await b.booked())["custody:forwarders"] == 9_900_000


async def test_log_without_a_move_suspends_the_token_opens_a_break_and_credits_nothing(b: Bridge) -> None:
    await accept_quirk(b, "LogsWithoutMoving")
    watcher = await b.started()
    intent = await b.intent("10.00")

    await b.pay(intent, "10.00")
    await b.finalize(watcher)

    assert await suspended(b) == "balance_mismatch"
    [deposit] = await b.deposits()
    assert (deposit["status"], deposit["finalized_at"]) == ("detected", None)
    assert (await b.shown(intent))["status"] == "processing"
    assert await b.booked() == {}
    [(type, subject, evidence)] = await b.rows(
        "SELECT type, subject, evidence FROM breaks WHERE state = 'open'"
    )
    assert (type, subject) == ("balance_delta", "tok_quirk")
    assert evidence["addresses"] == [{"address": deposit_address(intent), "logged": "10000000", "moved": "0"}]
    told = await b.events()
    assert told.count("token.suspended") == told.count("reconciliation.break_opened") == 1
    assert watcher.counters["balance_mismatches"] == 1
    assert await refused_intent(b) == "currency_unsupported"
    await b.require_chain_and_rows_agree()


async def test_balances_that_shrink_without_a_log_suspend_the_token_and_others_go_on(b: Bridge) -> None:
    plain = b.token
    quirk = await accept_quirk(b, "Rebases")
    async with b.owner.transaction() as conn:
        await tokens.publish(conn, plain)
    watcher = await b.started()
    first, second = await b.intent("10.00"), await b.intent("10.00")
    await b.pay(first, "10.00")
    await b.node.transact(
        b.account(ISSUER), to=checksum(quirk.contract), data=calldata("rebase(uint256)", [50])
    )
    await b.pay(second, "10.00", token=checksum(plain.contract))
    await b.finalize(watcher)

    assert await suspended(b) == "balance_mismatch"
    assert [(await b.shown(intent))["status"] for intent in (first, second)] == ["processing", "succeeded"]
    assert await b.booked() == {}
    b.token = plain
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


async def test_one_node_that_lies_about_a_balance_suspends_nothing(b: Bridge) -> None:
    """Asked again it says the truth: nothing becomes final in between, then all does."""
    watcher = b.watcher()
    intent = await b.intent("10.00")
    lies = {"left": 1}

    def twisted(method: str, params: list[Any], result: Any) -> Any:
        balance = method == "eth_call" and params[0]["data"].startswith("0x70a08231")
        if balance and params[0]["data"].endswith(deposit_address(intent)[2:].lower()) and lies["left"]:
            lies["left"] -= 1
            return "0x" + "00" * 32
        return result

    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        assert await watcher.run_once() == 1
        await b.pay(intent, "10.00")
        await b.mine(5)
        node.twist = twisted
        with pytest.raises(BalancesDisputed):
            await b.settle_down(watcher)
        assert (await b.shown(intent))["status"] == "processing"
        await b.settle_down(watcher)
    assert await suspended(b) is None
    assert (await b.shown(intent))["status"] == "succeeded"
    [kept] = await b.disagreements()
    assert (kept.refuted, "differ about balances" in kept.why) == (False, True)
    assert kept.answer != kept.other_answer


# ───────────── what tokens say of themselves ─────────────
async def test_pause_suspends_at_once_and_its_end_lifts_it_by_itself(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await issuer(b, "pause()")
    await b.settle_down(watcher)

    assert await suspended(b) == "paused"
    assert await refused_intent(b) == "currency_unsupported"
    await b.finalize(watcher)
    assert (await b.shown(intent))["status"] == "processing"
    assert await b.booked() == {}

    await issuer(b, "unpause()")
    await b.finalize(watcher)
    assert await suspended(b) is None
    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}
    told = [event for event in await b.events() if event.startswith("token.")]
    assert told == ["token.suspended", "token.resumed"]
    assert (await b.intent("5.00"))["status"] == "requires_action"


async def test_money_in_a_suspended_token_is_neither_applied_nor_accepted_by_hand(b: Bridge) -> None:
    watcher = await b.started()
    canceled, intent = await b.intent("10.00"), await b.intent("10.00")
    await b.cancel(canceled)
    await b.pay(canceled, "10.00")
    await b.finalize(watcher)
    await issuer(b, "pause()")
    await b.settle_down(watcher)
    [deposit] = await b.deposits()
    choices, mine = Choices(b.clock, b.outbox), {"account_id": b.merchant, "livemode": False}
    for choose in (choices.accept, partial(choices.apply, intent_id=intent["id"])):
        async with b.api.transaction() as conn:
            with pytest.raises(Conflict) as caught:
                await choose(conn, deposit["id"], **mine)  # type: ignore[operator]
        assert caught.value.code == "deposit_token_suspended"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "suspense:merchant": -10_000_000}


async def test_pause_that_a_reorg_takes_away_is_lifted_and_returns_with_its_block(b: Bridge) -> None:
    watcher = await b.started()
    await b.mine()
    await b.settle_down(watcher)
    pause = await issuer(b, "pause()")
    await b.settle_down(watcher)
    assert await suspended(b) == "paused"

    await b.node.dev.reorg(1, drop=[pause])
    await b.mine()
    await b.settle_down(watcher)
    assert await suspended(b) is None

    await issuer(b, "pause()")
    await b.settle_down(watcher)
    assert await suspended(b) == "paused"
    rows = await b.rows(
        "SELECT canonical, count(*) FROM contract_events GROUP BY canonical ORDER BY canonical"
    )
    assert rows == [(False, 1), (True, 1)]


@pytest.mark.parametrize(
    ("call", "cause"), [("blacklist(address)", "blacklisted"), ("announceUpgrade(address)", "upgraded")]
)
async def test_list_with_our_vault_or_an_upgrade_stays_until_a_person_resumes(
    b: Bridge, call: str, cause: str
) -> None:
    """A list that names strangers means nothing; what came meanwhile is credited once it is resumed."""
    watcher = await b.started()
    intent, stranger = await b.intent("10.00"), b.account(8).address
    await issuer(b, "blacklist(address)", stranger)
    await b.settle_down(watcher)
    assert await suspended(b) is None

    await b.pay(intent, "10.00")
    vault = b.account(4).address
    await issuer(b, call, vault)
    await b.finalize(watcher)
    assert await suspended(b) == cause
    assert (await b.shown(intent))["status"] == "processing"
    assert await b.booked() == {}
    if cause == "blacklisted":
        await issuer(b, "unBlacklist(address)", vault)
        await b.finalize(watcher)
        assert await suspended(b) == cause

    assert await take_back(b, "the issuer's notice explains it") == [cause]
    await b.finalize(watcher)
    await b.finalize(watcher)
    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}
    [(actor, details)] = await b.rows("SELECT actor, details FROM audit_log WHERE action = 'token.resume'")
    assert (actor, details) == ("cli", {"reason": "the issuer's notice explains it", "causes": [cause]})


async def test_list_with_a_deposit_address_holds_what_is_there_and_nothing_else(b: Bridge) -> None:
    """Until it is taken off in a final block: what came before and what came since is credited then."""
    watcher = await b.started()
    listed, other = await b.intent("10.00"), await b.intent("20.00")
    await b.pay(listed, "4.00")
    await b.settle_down(watcher)
    await b.send(deposit_address(listed), "6.00")
    await issuer(b, "blacklist(address)", deposit_address(listed))  # in the same block, behind it
    await b.pay(other, "20.00")
    await b.finalize(watcher)

    assert await suspended(b) is None
    assert (await b.shown(other))["status"] == "succeeded"
    assert (await b.shown(listed))["status"] == "requires_action"
    assert "held" in (await b.shown(listed))["flags"]
    assert await b.booked() == {"custody:forwarders": 20_000_000, "available:merchant": -20_000_000}
    [held] = [each for each in await b.deposits("detected") if each["amount"] == "6.000000"]
    assert (held["unapplied_reason"], held["next_steps"]) == ("held", [])
    async with b.api.transaction() as conn:
        with pytest.raises(Conflict) as refused:
            await Choices(b.clock, b.outbox).accept(conn, held["id"], account_id=b.merchant, livemode=False)
    assert refused.value.code == "deposit_held"
    assert await b.rows("SELECT type, state FROM breaks") == [("address_listed", "open")]

    await issuer(b, "unBlacklist(address)", deposit_address(listed))
    await b.settle_down(watcher)
    assert await b.deposits("detected") != [], "it may be taken back"
    await b.finalize(watcher)
    await b.finalize(watcher)
    assert (await b.shown(listed))["status"] == "succeeded"
    assert await b.rows("SELECT type, state FROM breaks") == [("address_listed", "resolved")]
    told = [event for event in await b.events() if event.startswith(("reconciliation.", "token."))]
    assert told == ["reconciliation.break_opened", "reconciliation.break_resolved"]
    assert (await b.booked())["available:merchant"] == -30_000_000


async def test_word_of_a_token_in_a_block_without_a_transfer_is_read(b: Bridge) -> None:
    """Near the head and far behind it: the block's bloom holds no Transfer, and nobody would be asked."""
    watcher = await b.started()
    await issuer(b, "announceUpgrade(address)", b.account(8).address)
    await b.settle_down(watcher)
    assert await suspended(b) == "upgraded"
    await take_back(b)
    await watcher.release()

    await issuer(b, "pause()")
    await b.mine(100)
    await b.settle_down(b.watcher())
    assert await suspended(b) == "paused"


async def test_movement_of_ours_in_a_suspended_token_waits_and_is_booked_after_its_deposit(b: Bridge) -> None:
    """Money comes to the collector from the vault and from outside: neither is booked, then both are."""
    watcher = await b.started()
    await b.send(b.account(4).address, "9.00", payer=3)
    await b.mine()
    await b.finalize(watcher)
    await issuer(b, "announceUpgrade(address)", b.account(8).address)
    await b.send(b.account(5).address, "4.00", payer=4)
    await b.send(b.account(5).address, "2.00", payer=3)
    await b.mine()
    await b.finalize(watcher)
    assert await b.booked() == {"custody:vault": 9_000_000, "available:operator": -9_000_000}

    await take_back(b)
    await b.finalize(watcher)
    booked = await b.booked()
    assert (booked["custody:vault"], booked["custody:collector"]) == (5_000_000, 6_000_000)
    assert booked["available:operator"] == -11_000_000


async def test_movement_of_ours_in_the_stretch_that_suspends_its_token_is_booked_once_it_is_resumed(
    b: Bridge,
) -> None:
    """The stretch becomes final with the suspension; what of it waits is not forgotten behind that height."""
    quirk = await accept_quirk(b, "Rebases")
    watcher = await b.started()
    await b.send(b.account(4).address, "9.00", payer=3)
    await b.finalize(watcher)
    assert await b.booked() == {"custody:vault": 9_000_000, "available:operator": -9_000_000}
    await b.send(b.account(5).address, "4.00", payer=4)
    await b.node.transact(
        b.account(ISSUER), to=checksum(quirk.contract), data=calldata("rebase(uint256)", [50])
    )
    await b.finalize(watcher)
    assert await suspended(b) == "balance_mismatch"

    await take_back(b)
    await b.finalize(watcher)
    booked = await b.booked()
    assert (booked["custody:vault"], booked.get("custody:collector")) == (5_000_000, 4_000_000)


async def test_token_is_resumed_for_a_reason_and_only_while_it_is_suspended(b: Bridge) -> None:
    await accept_quirk(b, "LogsWithoutMoving")
    with pytest.raises(Conflict, match="is not suspended"):
        await take_back(b)
    watcher = await b.started()
    await b.pay(await b.intent("10.00"), "10.00")
    await b.finalize(watcher)
    with pytest.raises(Rejected, match="for a reason"):
        await take_back(b, " ")
    assert await take_back(b) == ["balance_mismatch"]
    assert await b.rows("SELECT state FROM breaks WHERE type = 'balance_delta'") == [("resolved",)]
