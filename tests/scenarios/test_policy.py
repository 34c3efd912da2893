"""Policy over payouts: exact limits, also under haste; makers and checkers; edits that void approvals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from bascule.domain.acts_next import NOBODY
from bascule.domain.chain import Address, parse_address
from bascule.domain.errors import Conflict, Forbidden, Rejected
from bascule.domain.policy import Tier, Velocity
from bascule.entrypoints.explaining import explain
from bascule.services.compliance import Compliance
from bascule.storage import accounts, payout_rounds
from tests.support.money_out import LIMIT, START, OpenAs, Treasury, approver, payee, treasury
from tests.support.money_out_setup import set_policy

UNIT = 10**18


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def rule(stage: Treasury, **rules: Any) -> str:
    """A new version of the treasury's policy, wide but for what is named."""
    async with stage.owner.transaction() as conn:
        wide = {"max_per_payout": LIMIT, "max_per_day": 5 * LIMIT}
        return await set_policy(conn, stage.operator, stage.token, **wide | rules)


async def refusal(stage: Treasury, *asked: Any, **changes: Any) -> tuple[str, str | None]:
    with pytest.raises(Rejected) as refused:
        await stage.request(*asked, **changes)
    return refused.value.code, refused.value.param


async def test_a_payees_daily_limit_holds_to_the_unit(stage: Treasury) -> None:
    await rule(stage, max_per_destination_per_day=100 * UNIT)
    await stage.request("60.00", payee(1))

    assert await refusal(stage, "40.000001", payee(1)) == ("limit_exceeded", "amount")
    await stage.request("40.00", payee(1))
    await stage.request("40.000001", payee(2))
    assert await refusal(stage, "0.000001", payee(1)) == ("limit_exceeded", "amount")


async def test_velocity_counts_requests_in_a_window_that_slides(stage: Treasury) -> None:
    await rule(stage, velocity=Velocity(2, 60))
    first = await stage.request("1.00")
    await stage.request("1.00")
    assert await refusal(stage, "1.00") == ("velocity_exceeded", None)

    await stage.reject(first)  # what was called off counts for nothing
    await stage.request("1.00")
    stage.clock.advance(timedelta(seconds=60))

    assert (await stage.request("1.00"))["status"] == "requires_action"


async def test_requests_made_at_once_exceed_no_limit_together(stage: Treasury) -> None:
    await rule(stage, velocity=Velocity(3, 3_600), max_per_destination_per_day=250 * UNIT)

    asked = await asyncio.gather(
        *(stage.request("100.00", payee(1)) for _ in range(5)),
        *(stage.request("1.00", payee(2)) for _ in range(3)),
        return_exceptions=True,
    )

    made = [each for each in asked if not isinstance(each, BaseException)]
    codes = {each.code for each in asked if isinstance(each, Rejected)}
    assert len(made) == 3
    assert sum(1 for each in made if each["to"] == payee(1)) <= 2
    assert codes <= {"limit_exceeded", "velocity_exceeded"}
    assert await stage.rows("SELECT count(*) FROM payouts") == [(3,)]


async def test_larger_amounts_need_more_people(stage: Treasury) -> None:
    await rule(stage, approvals=(Tier(0, 2), Tier(100 * UNIT, 3)))
    small = await stage.request("100.00")
    large = await stage.request("100.000001")

    assert (small["approvals_required"], large["approvals_required"]) == (2, 3)
    assert (await stage.approve(large, 1, 2))["status"] == "requires_action"
    assert (await stage.approve(large, 3))["status"] == "pending"


async def test_who_asked_cannot_approve_whoever_hands_it_in(stage: Treasury) -> None:
    asked = await stage.request(maker=parse_address(approver(1).address))
    waiting = asked["next_action"]

    assert set(waiting["approvers"]) == {approver(2).address, approver(3).address}
    assert waiting["approvals_missing"] == 2
    with pytest.raises(Forbidden) as refused:
        await stage.approve(asked, 1)
    assert refused.value.code == "approver_is_requester"
    assert (await stage.approve(asked, 2, 3))["status"] == "pending"


async def test_a_request_that_nobody_else_could_approve_is_refused(stage: Treasury) -> None:
    people = frozenset({parse_address(approver(1).address), parse_address(approver(2).address)})
    await rule(stage, approvers=people)

    assert await refusal(stage, maker=parse_address(approver(1).address)) == ("approvers_missing", None)
    asked = await stage.request()
    with pytest.raises(Forbidden) as refused:
        await stage.approve(asked, 3)
    assert refused.value.code == "approver_not_named"


async def test_an_edited_policy_voids_approvals_and_is_asked_about_anew(stage: Treasury) -> None:
    payout = await stage.approved("50.00")
    waiting = await stage.approve(await stage.request("50.00"), 1)

    await rule(stage, approvals=3)
    with pytest.raises(Conflict) as refused:
        await stage.approve(waiting, 2)
    assert refused.value.code == "policy_changed"
    await stage.run()

    for each in (payout, waiting):
        now = await stage.read(each)
        assert (now["status"], now["approvals"], now["approvals_required"]) == ("requires_action", [], 3)
        assert now["policy_decision"]["acts_next"]["approvals_missing"] == 3
        await stage.approve(each, 1, 2, 3)
        signed = (await stage.read(each))["policy_decision"]
        assert signed == now["policy_decision"], "what was decided stays as it was"
    await stage.run()
    assert await stage.status(payout) == await stage.status(waiting) == "paid"
    await stage.require_truth()


@pytest.mark.parametrize("approved", [False, True])
async def test_an_address_denied_after_the_request_is_not_paid(stage: Treasury, approved: bool) -> None:
    payout = await stage.request("50.00", payee(1))
    if approved:
        await stage.approve(payout)
    other = await stage.approved("50.00", payee(2))

    await rule(stage, denylist=frozenset({Address(bytes.fromhex(payee(1)[2:]))}))
    assert await refusal(stage, "1.00", payee(1)) == ("destination_denylisted", "to")
    await stage.run()
    await stage.approve(other)  # the edit voided its approvals too
    await stage.run()

    ended = await stage.read(payout)
    assert (ended["status"], ended["failure_code"]) == (
        "failed" if approved else "canceled",
        "destination_denylisted",
    )
    assert ended["policy_decision"]["rule"] == "denylist"
    assert ended["policy_decision"]["acts_next"] == NOBODY.shown()
    assert await stage.status(other) == "paid"
    assert len(await stage.transfers_out()) == 1
    await stage.require_truth()


async def test_a_payout_that_a_new_policy_denies_names_the_rule_that_did(stage: Treasury) -> None:
    """Not a limit, where it is the address book or the people: who asked must know what to change."""
    ended: list[tuple[str, str | None]] = []
    someone = frozenset({parse_address(approver(1).address)})
    for rules in (
        {"destinations": "allowlist"},
        {"cool_off_seconds": 60},
        {"approvers": someone},
        {"max_per_payout": 1_000_000},
    ):
        await rule(stage)
        payout = await stage.approved("2.00")
        await rule(stage, **rules)
        await (await stage.submitter()).run_once()
        shown = await stage.read(payout)
        ended.append((shown["status"], shown["failure_code"]))

    assert ended == [
        ("failed", "destination_not_allowed"),
        ("failed", "destination_in_cooloff"),
        ("failed", "approvers_missing"),
        ("failed", "limit_exceeded"),
    ]
    await stage.require_truth()


async def test_a_denied_payout_without_a_policy_ends_and_hides_no_other(stage: Treasury) -> None:
    """A hundred of them would fill the list of what is to be looked at anew, for ever."""
    denied = [await stage.approved("1.00", payee(1)) for _ in range(2)]
    await stage.rows_change("UPDATE payouts SET policy_id = NULL")  # older than policies are data
    other = await stage.approved("1.00", payee(2))
    await rule(stage, denylist=frozenset({Address(bytes.fromhex(payee(1)[2:]))}))
    await stage.run()

    assert {await stage.status(payout) for payout in denied} == {"failed"}
    assert await stage.status(other) == "requires_action"
    async with stage.submitters_db.read() as conn:
        vault = parse_address(stage.vault)
        now = stage.clock.now()
        assert await payout_rounds.due(conn, stage.network.chain_id, vault, now) == []
    await stage.require_truth()


UNREADABLE: list[dict[str, Any]] = [
    {"approvals": []},
    {"approvals": [{"above": "0.00", "required": 2}], "denylist": "everybody"},
    {"approvals": [{"above": "0.00", "required": 2}], "denylist": ["0x1"], "approval_seconds": 10**15},
    {"approvals": "two"},
]


async def test_a_policy_that_the_apis_login_made_unreadable_stops_its_own_account_alone(
    stage: Treasury,
) -> None:
    """Also when it is the operator's, whose denylist every account's payouts are held against."""
    async with stage.owner.transaction() as conn:
        await accounts.create(conn, id="acct_other", kind="merchant", name="Other", created_at=START)
    for number, rules in enumerate(UNREADABLE):
        await rule(stage)
        payout = await stage.approved("1.00", payee(1))
        async with stage.api.transaction() as conn:
            for account, version in (("acct_other", number + 1), (stage.operator, 2 * number + 3)):
                await conn.execute(
                    "INSERT INTO policies"
                    " (id, account_id, livemode, token_id, version, rules, created_by, created_at)"
                    " VALUES (%s, %s, false, %s, %s, %s, 'cli', now())",
                    (f"pol_{account}{number}", account, stage.token.id, version, Jsonb(rules)),
                )
        await (await stage.submitter()).run_once()

        ended = await stage.read(payout)
        assert (ended["status"], ended["policy_decision"]["rule"]) == ("failed", "max_per_payout")
        assert await refusal(stage, "1.00", payee(1)) == ("limit_exceeded", "amount")
    await rule(stage)
    assert (await stage.request("1.00"))["status"] == "requires_action"


async def list_payee(stage: Treasury, number: int) -> None:
    """The list `ofac` names this payee alone from now on."""
    async with stage.api.transaction() as conn:
        await Compliance(stage.clock, stage.use_cases.outbox).import_list(
            conn, "ofac", f"address\n{payee(number)}\n", actor="key_c", may_shrink=True
        )


async def decide(stage: Treasury, payout: dict[str, Any], verb: str, actor: str = "key_c") -> dict[str, Any]:
    [(screening,)] = await stage.rows(
        "SELECT array_agg(id) FROM screenings WHERE payout_id IS NOT NULL AND state = 'open'"
    )
    assert len(screening) == 1, screening
    async with stage.api.transaction() as conn:
        does = getattr(Compliance(stage.clock, stage.use_cases.outbox), verb)
        found: dict[str, Any] = await does(conn, screening[0], reason="case 7", actor=actor)
    assert found["payout"] == payout["id"]
    return found


async def test_a_payout_to_a_listed_address_is_not_sent_until_it_is_released_or_ends_when_rejected(
    stage: Treasury,
) -> None:
    """However it came about that it is listed: before it was asked for, or while it waits for its batch."""
    early = await stage.approved("1.00", payee(1))
    await list_payee(stage, 1)
    asked = await stage.approved("2.00", payee(1))
    other = await stage.approved("3.00", payee(2))
    assert ((await stage.read(asked))["waits_for"], await stage.status(asked)) == ("screening", "pending")
    with pytest.raises(Forbidden) as refused:
        await decide(
            stage, asked, "release", actor=(await stage.rows("SELECT requested_by FROM payouts"))[0][0]
        )
    assert refused.value.code == "screening_own_payout"
    await decide(stage, asked, "release")

    await stage.run()

    assert [await stage.status(each) for each in (early, asked, other)] == ["pending", "paid", "paid"]
    assert (await stage.read(early))["waits_for"] == "screening"
    async with stage.owner.read() as conn:
        told = await explain(conn, early["id"])
    assert told is not None
    assert "the compliance role decides" in told["next"]
    await decide(stage, early, "reject")
    waiting = await stage.request("4.00", payee(1))
    await decide(stage, waiting, "reject")
    await stage.run()
    ended = [await stage.read(each) for each in (early, waiting)]
    assert [(each["status"], each["failure_code"]) for each in ended] == [
        ("failed", "screening_rejected"),
        ("canceled", "screening_rejected"),
    ]
    assert len(await stage.transfers_out()) == 2
    await stage.require_truth()


async def test_a_decision_of_an_earlier_release_says_nothing_of_who_acted_next(stage: Treasury) -> None:
    payout = await stage.request()
    await stage.rows_change("UPDATE payouts SET policy_decision = policy_decision - 'acts_next'")

    shown = await stage.read(payout)
    assert (shown["policy_decision"]["rule"], shown["policy_decision"]["acts_next"]) == (
        "within_limits",
        None,
    )
