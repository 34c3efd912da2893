"""Stories of what merchants decide about money that fits no intent, and what their books say of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, LiteralString

import psycopg
import pytest

from bascule.domain.chain import Address
from bascule.domain.errors import Rejected, Retryable
from bascule.services import balances
from bascule.services.choices import Choices
from bascule.services.intent_request import IntentRequest
from bascule.storage import accounts, ledger, tokens
from tests.support.cases import case
from tests.support.chain import calldata, deploy_dollar
from tests.support.money_in import FUNDS, Bridge, OpenAs, bridge

CREDITED = {"custody:forwarders": 20_000_000, "available:merchant": -20_000_000}


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()
        await require_sums_agree(made)


async def require_sums_agree(b: Bridge) -> None:
    """No deposit counts for more than arrived; the merchant has, and was told, what final ones count."""
    [(too_much,)] = await b.rows(
        "SELECT count(*) FROM applications a JOIN deposits d ON d.id = a.deposit_id"
        " WHERE a.amount_applied > d.amount"
    )
    [(credited, arrived)] = await b.rows(
        "SELECT coalesce(sum(a.amount_applied), 0), coalesce(sum(d.amount), 0) FROM applications a"
        " JOIN deposits d ON d.id = a.deposit_id WHERE d.state = 'finalized' AND d.kind = 'payment'"
        " AND a.reason IS DISTINCT FROM 'unsupported_token'"
    )
    booked = await b.booked()
    assert (too_much, booked.get("available:merchant", 0)) == (0, -credited)
    assert booked.get("suspense:merchant", 0) == credited - arrived
    [(told,)] = await b.rows(
        "SELECT coalesce(sum((now->>'amount_atomic')::numeric - (was->>'amount_atomic')::numeric), 0)"
        " FROM outbox, ROWS FROM (jsonb_array_elements(object::jsonb->'available'),"
        " jsonb_array_elements(previous::jsonb->'available')) AS grown (now, was)"
        " WHERE type = 'balance.available' AND account_id = 'acct_merchant'"
    )
    assert told == credited


async def apply(b: Bridge, deposit: dict[str, Any], intent: dict[str, Any], **whose: Any) -> dict[str, Any]:
    asker = {"account_id": b.merchant, "livemode": False, "context": {"id": "req_1"}} | whose
    async with b.api.transaction() as conn:
        return await Choices(b.clock, b.outbox).apply(conn, deposit["id"], intent["id"], **asker)


async def accept(b: Bridge, deposit: dict[str, Any], **whose: Any) -> dict[str, Any]:
    asker = {"account_id": b.merchant, "livemode": False, "context": {"id": "req_1"}} | whose
    async with b.api.transaction() as conn:
        return await Choices(b.clock, b.outbox).accept(conn, deposit["id"], **asker)


async def code(answer: Any) -> str:
    """The code with which it is refused."""
    with pytest.raises(Rejected) as refused:
        await answer
    return refused.value.code


async def paid_twice(b: Bridge, *, final: bool = True) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """An intent paid twice: watcher, intent, and the second deposit."""
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    await b.pay(intent, "10.00", payer=2)
    await (b.finalize(watcher) if final else b.settle_down(watcher))
    deposit = (await b.deposits())[1]
    steps = ["apply", "accept", "refund"] if final else ["apply", "accept"]
    assert (deposit["unapplied_reason"], deposit["next_steps"]) == ("already_paid", steps)
    return watcher, intent, deposit


async def test_a_duplicate_pays_another_intent_and_the_money_moves_with_the_decision(b: Bridge) -> None:
    _, first, deposit = await paid_twice(b)
    second = await b.intent("10.00")
    before = len(await b.events())

    shown = await apply(b, deposit, second)

    assert shown["application"] == {
        "payment_intent": second["id"],
        "status": "applied",
        "amount_applied": "10.000000",
        "amount_applied_atomic": "10000000",
    }
    assert (shown["unapplied_reason"], shown["next_steps"], shown["version"]) == (
        None,
        [],
        deposit["version"] + 1,
    )
    assert ((await b.shown(second))["status"], (await b.shown(first))["flags"]) == ("succeeded", [])
    assert await b.booked() == CREDITED
    assert (await b.events())[before:] == [
        "deposit.applied",
        "payment_intent.processing",
        "payment_intent.succeeded",
        "balance.available",
    ]
    told = await b.rows("SELECT request FROM outbox ORDER BY id DESC LIMIT 4")
    assert told == [({"id": "req_1"},)] * 4


async def test_an_accepted_deposit_is_the_merchants_and_counts_for_no_intent(b: Bridge) -> None:
    _, intent, deposit = await paid_twice(b)

    shown = await accept(b, deposit)

    assert (shown["application"]["status"], shown["application"]["payment_intent"]) == ("accepted", None)
    assert shown["application"]["amount_applied"] == "10.000000"
    assert await b.booked() == CREDITED
    assert ((await b.shown(intent))["amount_received"], (await b.shown(intent))["flags"]) == ("10.000000", [])
    assert (await b.events())[-2:] == ["deposit.applied", "balance.available"]
    assert await code(accept(b, deposit)) == "application_unexpected_state"
    assert await code(apply(b, deposit, await b.intent("10.00"))) == "application_unexpected_state"
    assert await b.booked() == CREDITED


@pytest.mark.parametrize("kept", [False, True])
async def test_what_is_decided_before_finality_is_booked_at_finality(b: Bridge, kept: bool) -> None:
    watcher, _, deposit = await paid_twice(b, final=False)
    second = await b.intent("10.00")

    await (accept(b, deposit) if kept else apply(b, deposit, second))

    assert (await b.shown(second))["status"] == ("requires_action" if kept else "processing")
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}
    async with b.api.read() as conn:
        [pending] = (await balances.describe(conn, b.merchant, False))["pending"]
    assert pending["amount"] == "10.000000"

    await b.finalize(watcher)

    assert (await b.shown(second))["status"] == ("requires_action" if kept else "succeeded")
    assert await b.booked() == CREDITED


async def test_an_applied_deposit_that_is_orphaned_returns_to_the_intent_it_was_applied_to(b: Bridge) -> None:
    watcher, _, deposit = await paid_twice(b, final=False)
    second = await b.intent("10.00")
    await apply(b, deposit, second)

    await b.node.dev.reorg(1)
    await watcher.run_once()  # back to the fork, and not forward again yet

    gone = (await b.deposits())[1]
    assert (gone["status"], gone["unapplied_reason"], gone["next_steps"]) == ("orphaned", "orphaned", [])
    assert (await b.shown(second))["status"] == "requires_action"
    assert await code(apply(b, gone, second)) == "deposit_orphaned"
    assert await code(accept(b, gone)) == "deposit_orphaned"

    await b.finalize(watcher)

    assert (await b.shown(second))["status"] == "succeeded"
    assert await b.booked() == CREDITED


async def test_a_late_payment_that_was_held_may_be_applied_to_its_own_intent(b: Bridge) -> None:
    watcher = await b.started()
    now = int(b.clock.now().timestamp())
    intent = await b.intent("10.00", expires_at=now + 60, closes_at=now + 3600, late="hold")
    b.clock.advance(600)
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    [deposit] = await b.deposits()

    await apply(b, deposit, intent)

    assert ((await b.shown(intent))["status"], (await b.shown(intent))["flags"]) == ("succeeded", ["late"])
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


async def test_of_an_applied_deposit_only_what_was_asked_for_is_credited(b: Bridge) -> None:
    _, _, deposit = await paid_twice(b)
    small = await b.intent("4.00")

    await apply(b, deposit, small)

    assert ((await b.shown(small))["status"], (await b.shown(small))["flags"]) == ("succeeded", ["overpaid"])
    assert await b.booked() == {
        "custody:forwarders": 20_000_000,
        "available:merchant": -14_000_000,
        "suspense:merchant": -6_000_000,
    }


async def test_refusals_name_what_is_wrong_and_change_nothing(b: Bridge) -> None:
    _, first, deposit = await paid_twice(b)
    async with b.owner.transaction() as conn:
        rival = await accounts.create(
            conn, id="acct_rival", kind="merchant", name="Rival", created_at=b.clock.now()
        )
    canceled = await b.intent("10.00")
    await b.cancel(canceled)
    open_intent = await b.intent("10.00")
    before = await b.rows("SELECT * FROM applications ORDER BY deposit_id"), await b.events()

    assert await code(apply(b, deposit, first)) == "payment_intent_unexpected_state"
    assert await code(apply(b, deposit, canceled)) == "payment_intent_unexpected_state"
    assert await code(apply(b, deposit, {"id": "pi_nobodys"})) == "resource_missing"
    for whose in ({"account_id": rival.id}, {"livemode": True}):
        assert await code(apply(b, deposit, open_intent, **whose)) == "resource_missing"
        assert await code(accept(b, deposit, **whose)) == "resource_missing"
    assert await code(accept(b, {"id": "dep_nobodys"})) == "resource_missing"

    assert (await b.rows("SELECT * FROM applications ORDER BY deposit_id"), await b.events()) == before


async def test_another_currency_is_refused(b: Bridge) -> None:
    _, _, deposit = await paid_twice(b)
    async with b.owner.transaction() as conn:
        await tokens.publish(
            conn, replace(b.token, id="tok_eurc", contract=Address(b"\xee" * 20), currency="eurc")
        )
    request = IntentRequest(amount="10.00", currency="eurc")
    async with b.api.transaction() as conn:
        other = await b.use_cases.create(conn, account_id=b.merchant, livemode=False, request=request)

    assert await code(apply(b, deposit, other)) == "deposit_currency_mismatch"


async def test_booked_money_in_a_token_that_was_removed_counts_for_no_intent_but_can_be_kept(
    b: Bridge,
) -> None:
    _, _, deposit = await paid_twice(b)
    other = await b.intent("10.00")
    async with b.owner.transaction() as conn:
        await tokens.publish(conn, replace(b.token, accepted=False))

    assert await code(apply(b, deposit, other)) == "deposit_token_removed"
    assert (await b.shown(other))["status"] == "requires_action"
    assert (await accept(b, deposit))["application"]["status"] == "accepted"
    await require_sums_agree(b)


async def test_a_token_nobody_accepts_and_the_treasurys_money_are_not_the_merchants_to_decide(
    b: Bridge,
) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    fake = await deploy_dollar(b.node, b.account(2))
    mint = calldata("mint(address,uint256)", [b.account(1).address, FUNDS])
    await b.node.transact(b.account(2), to=fake, data=mint)
    await b.pay(intent, "10.00", token=fake)
    await b.send(b.account(4).address, "7.00", payer=1)
    await b.mine()
    await b.finalize(watcher)
    unknown, stray = await b.deposits()

    assert (unknown["next_steps"], stray["next_steps"]) == ([], [])
    assert (
        await code(apply(b, unknown, intent)) == await code(accept(b, unknown)) == "deposit_token_unsupported"
    )
    operator = {"account_id": b.operator}
    assert await code(accept(b, stray, **operator)) == "deposit_unsolicited"


async def test_no_money_moves_while_the_chain_is_halted(b: Bridge) -> None:
    _, _, deposit = await paid_twice(b)
    async with b.owner.transaction() as conn:
        await conn.execute("UPDATE cursors SET halted_reason = 'a final block is gone'")

    with pytest.raises(Retryable, match="halted"):
        await accept(b, deposit)

    assert (await b.deposits())[1] == deposit


async def outcomes(*works: Any) -> list[str]:
    """What became of works done at once: ok, or the code or kind of the refusal."""
    done = await asyncio.gather(*works, return_exceptions=True)
    named = []
    for each in done:
        if isinstance(each, BaseException) and not isinstance(each, Rejected | Retryable):
            raise each
        named.append(each.code if isinstance(each, Rejected) else type(each).__name__)
    return sorted("ok" if name not in ("Retryable",) and "_" not in name else name for name in named)


async def test_of_two_decisions_at_once_one_wins(b: Bridge) -> None:
    _, _, deposit = await paid_twice(b)
    second, third = await b.intent("10.00"), await b.intent("10.00")

    found = await outcomes(apply(b, deposit, second), apply(b, deposit, third), accept(b, deposit))

    assert found == ["application_unexpected_state", "application_unexpected_state", "ok"]
    assert await b.booked() == CREDITED


async def test_two_deposits_for_one_intent_at_once_fill_it_once(b: Bridge) -> None:
    watcher, first, deposit = await paid_twice(b)
    await b.pay(first, "10.00", payer=3)
    await b.finalize(watcher)
    third = (await b.deposits())[2]
    second = await b.intent("10.00")

    found = await outcomes(apply(b, deposit, second), apply(b, third, second))

    assert found == ["ok", "payment_intent_unexpected_state"]
    assert (await b.shown(second))["amount_received"] == "10.000000"


async def test_apply_and_cancel_at_once_end_one_way_or_the_other(b: Bridge) -> None:
    _, _, deposit = await paid_twice(b)
    second = await b.intent("10.00")

    found = await outcomes(apply(b, deposit, second), b.cancel(second))

    assert found == ["ok", "payment_intent_unexpected_state"]
    assert (await b.shown(second))["status"] in ("succeeded", "canceled")


@pytest.mark.parametrize("event", ["finalized", "orphaned"])
async def test_an_apply_while_the_watcher_settles_is_before_or_after_it(b: Bridge, event: str) -> None:
    watcher, _, deposit = await paid_twice(b, final=False)
    second = await b.intent("10.00")
    if event == "finalized":
        await b.mine(5)
    else:
        await b.node.dev.reorg(1, drop=[deposit["tx_hash"]])

    found = await outcomes(b.settle_down(watcher), apply(b, deposit, second))
    await b.finalize(watcher)

    [now] = [each for each in await b.deposits() if each["id"] == deposit["id"]]
    assert (now["status"], found[-1]) == (event, "ok")
    if event == "finalized":
        assert (found, (await b.shown(second))["status"]) == (["ok", "ok"], "succeeded")
    else:
        assert found[0] in ("ok", "deposit_orphaned")
        assert (await b.shown(second))["status"] == "requires_action"


async def test_a_decision_that_waits_for_the_watcher_sees_what_it_did(b: Bridge) -> None:
    """The watcher's transaction has orphaned the deposit and is not committed when the merchant asks."""
    _, _, deposit = await paid_twice(b, final=False)
    second = await b.intent("10.00")
    async with b.owner.transaction() as conn:
        await conn.execute("UPDATE deposits SET state = 'orphaned' WHERE id = %s", [deposit["id"]])
        asked = asyncio.create_task(code(apply(b, deposit, second)))
        await asyncio.sleep(0.2)
        assert not asked.done()
        await conn.execute(
            "UPDATE applications SET reason = 'orphaned' WHERE deposit_id = %s", [deposit["id"]]
        )
    assert await asked == "deposit_orphaned"
    async with b.owner.transaction() as conn:
        await conn.execute("UPDATE deposits SET state = 'detected' WHERE id = %s", [deposit["id"]])
        await conn.execute(
            "UPDATE applications SET reason = 'already_paid' WHERE deposit_id = %s", [deposit["id"]]
        )


DID_NOT_COME: tuple[LiteralString, ...] = (
    "UPDATE payment_intents SET received = due, confirmed = due, state = 'succeeded',"
    " succeeded_at = now() WHERE state = 'requires_action'",
    "UPDATE payment_intents SET received = received + 1 WHERE state = 'succeeded'",
    "UPDATE applications SET state = 'refunded' WHERE state = 'applied'",
    "UPDATE applications SET state = 'unapplied', reason = 'held' WHERE state = 'applied'",
    "UPDATE applications SET amount_applied = amount_applied - 1 WHERE state = 'applied'",
    "UPDATE applications SET state = 'accepted', reason = NULL, amount_applied = 10000001"
    " WHERE state = 'unapplied'",
)


async def test_the_apis_login_cannot_write_what_did_not_come(b: Bridge) -> None:
    await paid_twice(b)
    await b.intent("10.00")

    for statement in DID_NOT_COME:
        with case(statement), pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with b.api.transaction() as conn:
                await conn.execute(statement)


async def test_the_books_tell_of_a_deposit_that_is_credited_otherwise_than_applied(b: Bridge) -> None:
    _, _, deposit = await paid_twice(b)
    statement = "UPDATE applications SET state = {}, reason = {}, amount_applied = {} WHERE deposit_id = %s"
    async with b.owner.transaction() as conn:
        await conn.execute(statement.format("'accepted'", "NULL", "10000000").encode(), [deposit["id"]])
        found = await ledger.verify(conn)
        await conn.execute(statement.format("'unapplied'", "'already_paid'", "0").encode(), [deposit["id"]])

    assert [violation.subject for violation in found] == [deposit["id"]]
