"""Stories of intents that succeed before their money is final: told early, booked as ever."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bascule.domain.chain import checksum
from bascule.domain.early import EarlyPolicy, Tier, read_level
from bascule.domain.errors import Rejected
from bascule.domain.finality import FinalityPolicy
from bascule.services import balances
from bascule.services.balance_check import BalanceCheck
from bascule.services.choices import Choices
from bascule.services.finalizer import adopt_policy
from bascule.services.watcher import Watcher
from bascule.storage import early_policies, tokens
from tests.support.chain import calldata
from tests.support.crashing import Crash, Crashing
from tests.support.issuing import accept_quirk
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address

UNIT = 10**18
BOOKED = {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as, finalized=8) as made:
        yield made
        await made.require_chain_and_rows_agree()


async def allow(b: Bridge, most: int, **tiers: int) -> None:
    """The operator's word: up to `most` may be early; tiers: by level with _ for the colon."""
    policy = EarlyPolicy(
        most * UNIT,
        [Tier(up_to * UNIT, read_level(name.replace("_", ":"), "")) for name, up_to in tiers.items()],
    )
    async with b.owner.transaction() as conn:
        await early_policies.set(conn, b.merchant, policy)


async def started(b: Bridge) -> Watcher:
    await allow(b, 100, depth_2=20)
    watcher = await b.started()
    await b.settle_down(watcher)
    return watcher


async def deeper(b: Bridge, watcher: Watcher, count: int = 1) -> None:
    await b.mine(count)
    await b.settle_down(watcher)


async def balance(b: Bridge) -> dict[str, str]:
    async with b.api.read() as conn:
        shown = await balances.describe(conn, b.merchant, False)
    return {name: shown[name][0]["amount"] for name in ("available", "pending")}


async def told(b: Bridge, type: str) -> list[dict[str, Any]]:
    rows = await b.rows("SELECT type, object FROM outbox ORDER BY id")
    return [shown for name, shown in rows if name == type]


async def test_a_small_payment_succeeds_early_and_is_booked_when_it_is_final(b: Bridge) -> None:
    watcher = await started(b)
    intent = await b.intent("10.00")
    [where] = intent["next_action"]["display_deposit_details"]["deposit_addresses"].values()
    assert (intent["policy"]["finality"], where["confirmations_required"]) == ("depth:2", 3)
    await b.pay(intent, "10.00")
    await deeper(b, watcher)
    assert (await b.shown(intent))["status"] == "processing"

    await deeper(b, watcher)

    early = await b.shown(intent)
    assert (early["status"], early["succeeded_by"], early["amount_confirmed"]) == (
        "succeeded",
        "depth:2",
        "0.000000",
    )
    assert [shown["succeeded_by"] for shown in await told(b, "payment_intent.succeeded")] == ["depth:2"]
    assert await b.booked() == {}
    assert await balance(b) == {"available": "0.000000", "pending": "10.000000"}

    await deeper(b, watcher, 8)

    final = await b.shown(intent)
    assert (final["status"], final["amount_confirmed"], final["flags"]) == ("succeeded", "10.000000", [])
    assert await b.booked() == BOOKED
    assert await balance(b) == {"available": "10.000000", "pending": "0.000000"}
    assert len(await told(b, "payment_intent.succeeded")) == 1


async def test_what_a_token_logs_without_moving_it_makes_no_intent_succeed_early(b: Bridge) -> None:
    """Its merchant would ship before the balance tells; another token's intents go on succeeding early."""
    plain, quirk = b.token, await accept_quirk(b, "LogsWithoutMoving")
    async with b.owner.transaction() as conn:
        await tokens.publish(conn, plain)
    watcher = await started(b)
    bad, good = await b.intent("10.00"), await b.intent("10.00")
    await b.send(deposit_address(bad), "10.00", token=checksum(quirk.contract))
    await b.pay(good, "10.00", token=checksum(plain.contract))
    await deeper(b, watcher, 5)

    assert [(await b.shown(intent))["status"] for intent in (bad, good)] == ["processing", "succeeded"]
    assert [shown["id"] for shown in await told(b, "payment_intent.succeeded")] == [good["id"]]
    assert await told(b, "token.suspended") == [], "what is not final suspends nothing"

    await deeper(b, watcher, 8)
    assert len(await told(b, "token.suspended")) == 1
    assert (await b.shown(bad))["status"] == "processing"
    b.token = plain
    assert await b.booked() == BOOKED


async def test_money_applied_while_balances_are_compared_is_relied_on_after_its_own_were(
    b: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its block is above those compared, and its token logged what it did not move."""
    plain, quirk = b.token, await accept_quirk(b, "LogsWithoutMoving")
    async with b.owner.transaction() as conn:
        await tokens.publish(conn, plain)
    watcher = await started(b)
    good, hasty, new = [await b.intent("10.00", finality=f"depth:{depth}") for depth in (4, 2, 2)]
    patient = await b.intent("10.00", finality="finalized")
    await b.pay(good, "10.00", token=checksum(plain.contract))
    for payer in (1, 2):
        await b.send(deposit_address(patient), "10.00", token=checksum(quirk.contract), payer=payer)
    await b.mine(2)
    await b.pay(new, "10.00", token=checksum(plain.contract))
    compared = BalanceCheck.broken

    async def meanwhile(check: BalanceCheck, after: int, upto: int, **final: bool) -> Any:
        found = await b.deposits()
        if upto == found[0]["block_number"] and found[2]["next_steps"]:
            async with b.api.transaction() as conn:
                await Choices(b.clock, b.outbox).apply(
                    conn, found[2]["id"], hasty["id"], account_id=b.merchant, livemode=False
                )
        return await compared(check, after, upto, **final)

    monkeypatch.setattr(BalanceCheck, "broken", meanwhile)
    await deeper(b, watcher)

    assert (await b.shown(good))["status"] == "succeeded"
    assert (await b.deposits())[2]["application"]["payment_intent"] == hasty["id"]
    assert (await b.shown(hasty))["status"] == "processing"
    b.token = plain


async def test_a_large_payment_waits_until_it_is_final(b: Bridge) -> None:
    watcher = await started(b)
    intent = await b.intent("20.01")
    await b.pay(intent, "20.01")
    await deeper(b, watcher, 6)
    assert (await b.shown(intent))["status"] == "processing"

    await deeper(b, watcher, 3)

    shown = await b.shown(intent)
    assert (shown["status"], shown["succeeded_by"]) == ("succeeded", "finalized")


async def test_by_the_safe_tag_an_intent_succeeds_when_its_block_is_safe(b: Bridge) -> None:
    watcher = await started(b)
    intent = await b.intent("60.00", finality="safe")
    await b.pay(intent, "60.00")
    await b.settle_down(watcher)
    assert (await b.shown(intent))["status"] == "processing"

    await deeper(b, watcher)

    shown = await b.shown(intent)
    assert (shown["status"], shown["succeeded_by"]) == ("succeeded", "safe")
    assert await b.booked() == {}


async def test_a_reorg_after_early_success_reverses_and_books_nothing(b: Bridge) -> None:
    watcher = await started(b)
    intent = await b.intent("10.00")
    tx_hash = await b.pay(intent, "10.00")
    await deeper(b, watcher, 2)
    assert (await b.shown(intent))["status"] == "succeeded"

    await b.node.dev.reorg(3, drop=[tx_hash])
    await deeper(b, watcher)

    gone = await b.shown(intent)
    assert (gone["status"], gone["flags"], gone["amount_received"]) == (
        "succeeded",
        ["reorged", "reversed"],
        "0.000000",
    )
    assert [d["status"] for d in await b.deposits()] == ["orphaned"]
    assert (await b.events())[-4:] == [
        "deposit.orphaned",
        "payment_intent.reorged",
        "payment_intent.reversed",
        "network.reorg_detected",  # to the operator
    ]
    assert await balance(b) == {"available": "0.000000", "pending": "0.000000"}
    await deeper(b, watcher, 12)
    assert await b.booked() == {}


async def test_money_that_returns_after_a_reversal_counts_and_is_booked_once(b: Bridge) -> None:
    """The same transaction is mined again: the same deposit. The flag stays; the amounts say what stands."""
    watcher = await started(b)
    intent = await b.intent("10.00")
    tx_hash = await b.pay(intent, "10.00")
    raw = await b.node.rpc("eth_getRawTransactionByHash", tx_hash)
    await deeper(b, watcher, 2)
    await b.node.dev.reorg(3, drop=[tx_hash])
    await deeper(b, watcher)

    await b.node.rpc("eth_sendRawTransaction", raw)
    await deeper(b, watcher)

    back = await b.shown(intent)
    assert (back["status"], back["flags"], back["amount_received"]) == (
        "succeeded",
        ["reorged", "reversed"],
        "10.000000",
    )
    await deeper(b, watcher, 9)
    assert await b.booked() == BOOKED
    [deposit] = await b.deposits()
    assert (deposit["status"], deposit["application"]["amount_applied"]) == ("finalized", "10.000000")
    assert len(await told(b, "payment_intent.succeeded")) == 1


async def test_a_payer_who_pays_anew_after_a_reversal_pays_the_same_intent(b: Bridge) -> None:
    watcher = await started(b)
    intent = await b.intent("10.00")
    address = deposit_address(intent)
    tx_hash = await b.pay(intent, "10.00")
    await deeper(b, watcher, 2)
    await b.node.dev.reorg(3, drop=[tx_hash])
    await deeper(b, watcher)

    await b.send(address, "10.00", payer=2)
    await deeper(b, watcher)
    await b.send(address, "10.00", payer=3)
    await deeper(b, watcher, 9)

    assert (await b.shown(intent))["amount_confirmed"] == "10.000000"
    assert [d["unapplied_reason"] for d in await b.deposits()] == ["orphaned", None, "already_paid"]
    assert await b.booked() == {**BOOKED, "custody:forwarders": 20_000_000, "suspense:merchant": -10_000_000}


async def test_where_the_network_is_quicker_than_the_level_its_finality_decides(b: Bridge) -> None:
    b.network = await adopt_policy(b.db, b.network, FinalityPolicy("depth", 1))
    await allow(b, 100)
    watcher = b.watcher()
    await b.settle_down(watcher)
    intent = await b.intent("10.00", finality="depth:5")
    [where] = intent["next_action"]["display_deposit_details"]["deposit_addresses"].values()
    assert where["confirmations_required"] == 2

    await b.pay(intent, "10.00")
    await deeper(b, watcher)

    shown = await b.shown(intent)
    assert (shown["status"], shown["succeeded_by"]) == ("succeeded", "finalized")
    assert await b.booked() == BOOKED


@pytest.mark.parametrize("failpoint", ["watcher.before_early", "watcher.after_early"])
async def test_a_watcher_killed_at_early_success_tells_it_once(b: Bridge, failpoint: str) -> None:
    watcher = await started(b)
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.settle_down(watcher)
    await watcher.release()
    dying = b.watcher(failpoints=Crashing(failpoint))
    await b.mine(2)
    with pytest.raises(Crash):
        await b.settle_down(dying)
    await dying.release()

    await b.settle_down(b.watcher())

    assert (await b.shown(intent))["succeeded_by"] == "depth:2"
    assert len(await told(b, "payment_intent.succeeded")) == 1
    assert await b.booked() == {}


async def test_a_level_beyond_the_operators_word_is_refused_and_nothing_is_made(b: Bridge) -> None:
    await started(b)
    for amount, level, says in (("100.01", "safe", "waits until"), ("1.00", "latest:2", "depth:N")):
        with pytest.raises(Rejected, match=says) as refused:
            await b.intent(amount, finality=level)
        assert refused.value.param == "policy.finality"

    assert await b.rows("SELECT id FROM payment_intents") == []


async def test_an_applied_deposit_is_as_early_as_the_intent_it_counts_for(b: Bridge) -> None:
    watcher = await started(b)
    hasty = await b.intent("10.00")
    patient = await b.intent("10.00", finality="finalized")
    await b.pay(hasty, "10.00")
    await b.pay(hasty, "10.00", payer=2)
    await b.settle_down(watcher)
    duplicate = (await b.deposits())[1]
    async with b.api.transaction() as conn:
        choices = Choices(b.clock, b.outbox)
        await choices.apply(conn, duplicate["id"], patient["id"], account_id=b.merchant, livemode=False)

    await deeper(b, watcher, 3)

    assert [(await b.shown(each))["status"] for each in (hasty, patient)] == ["succeeded", "processing"]
    await deeper(b, watcher, 8)
    assert (await b.shown(patient))["succeeded_by"] == "finalized"
    assert await b.booked() == {name: 2 * units for name, units in BOOKED.items()}


async def test_money_in_a_suspended_token_makes_no_intent_succeed_early(b: Bridge) -> None:
    watcher = await started(b)
    intent = await b.intent("10.00", finality="depth:2")
    await b.pay(intent, "10.00")
    await b.node.transact(b.account(0), to=checksum(b.token.contract), data=calldata("pause()", []))
    await deeper(b, watcher, 4)
    assert (await b.shown(intent))["status"] == "processing"

    await b.node.transact(b.account(0), to=checksum(b.token.contract), data=calldata("unpause()", []))
    await deeper(b, watcher)
    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {}
