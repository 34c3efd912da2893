"""Mandates: payouts that approvers allowed beforehand go out by themselves, until a cap or their end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextvars import Context
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import errors

from bascule.chain.evidence_check import check
from bascule.domain import stops
from bascule.domain.acts_next import SUBMITTER
from bascule.domain.chain import caip2, checksum, parse_address
from bascule.domain.errors import Conflict, Rejected
from bascule.domain.policy import Tier
from bascule.entrypoints.explaining import explain
from bascule.services import mandate_view
from bascule.services.expirer import Expirer
from bascule.services.intents import Intents
from bascule.services.mandates import MandateRequest, Mandates
from bascule.services.payout_evidence import evidence_of
from bascule.services.payouts import own
from bascule.storage import approvals, mandates, payout_rounds, signer_rosters, signer_stops
from tests.support.money_out import OpenAs, Treasury, approver, payee, sign_typed, treasury
from tests.support.money_out_setup import LIMIT, set_policy

LANDLORD = payee(1)
DAYS_30 = timedelta(days=30)
UNIT = 10**18


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


def use_cases(stage: Treasury) -> Mandates:
    return Mandates(stage.clock, stage.use_cases.entropy, stage.use_cases.outbox)


async def propose(
    stage: Treasury, *, lasts: timedelta = DAYS_30, maker: int = 0, **changes: Any
) -> dict[str, Any]:
    """At most 100 at once and 150 a day to the landlord, unless changed."""
    asked = {
        "currency": "usdt",
        "network": caip2(stage.network.chain_id),
        "to": LANDLORD,
        "max_per_item": "100.00",
        "max_per_day": "150.00",
        "expires_at": int((stage.clock.now() + lasts).timestamp()),
    }
    async with stage.api.transaction() as conn:
        return await use_cases(stage).propose(
            conn,
            account_id=stage.operator,
            livemode=False,
            request=MandateRequest(**asked | changes),
            requested_by="key_test",
            maker=parse_address(approver(maker).address) if maker else None,
        )


async def sign(
    stage: Treasury, mandate: dict[str, Any], *people: int, typed: dict[str, Any] | None = None
) -> dict[str, Any]:
    for number in people:
        person = approver(number)
        text = typed or (await read(stage, mandate))["next_action"]["typed_data"]
        async with stage.api.transaction() as conn:
            mandate = await use_cases(stage).approve(
                conn,
                account_id=stage.operator,
                livemode=False,
                mandate_id=mandate["id"],
                approver=person.address,
                signature=sign_typed(person, text),
                actor="key_test",
            )
    return mandate


async def active(stage: Treasury, **changes: Any) -> dict[str, Any]:
    return await sign(stage, await propose(stage, **changes), 1, 2)


async def read(stage: Treasury, mandate: dict[str, Any]) -> dict[str, Any]:
    async with stage.api.read() as conn:
        row = await mandates.get(conn, mandate["id"])
        assert row is not None
        return await mandate_view.describe_row(conn, row, stage.clock.now())


async def rent(stage: Treasury, mandate: dict[str, Any], amount: str, **changes: Any) -> dict[str, Any]:
    return await stage.request(amount, LANDLORD, mandate=mandate["id"], **changes)


async def explained(stage: Treasury, thing: dict[str, Any]) -> dict[str, Any]:
    async with stage.owner.read() as conn:
        told = await explain(conn, thing["id"])
    assert told is not None
    return told


async def test_payouts_under_a_mandate_are_paid_without_a_person_until_it_ends(
    stage: Treasury, db_as: OpenAs
) -> None:
    """Two fit its day; the third, and one after its end, wait for people, who are named."""
    mandate = await propose(stage, lasts=timedelta(days=2))
    assert (mandate["status"], mandate["next_action"]["approvals_missing"]) == ("requires_action", 2)
    assert (await sign(stage, mandate, 1))["status"] == "requires_action"
    mandate = await sign(stage, mandate, 2)
    assert (mandate["status"], mandate["next_action"]) == ("active", None)

    first = await rent(stage, mandate, "100.00")
    assert (first["status"], first["mandate"], first["next_action"]) == ("pending", mandate["id"], None)
    assert first["policy_decision"] == {
        "rule": "mandate", "reasons": [f"{mandate['id']} carries it."], "acts_next": SUBMITTER.shown(),
    }  # fmt: skip
    beside = await stage.approved("7.00", payee(2))
    await stage.run()
    assert [await stage.status(each) for each in (first, beside)] == ["paid", "paid"]
    async with stage.api.read() as conn:
        proof = await evidence_of(conn, await own(conn, first["id"], stage.operator, False))
    assert [each.says for each in check(json.dumps(proof).encode()) if not each.ok] == []
    assert proof["decision"]["signed"]["mandate"]["mandate"] == mandate["id"]

    second = await rent(stage, mandate, "50.00")
    third = await rent(stage, mandate, "0.000001")
    assert (second["status"], third["status"]) == ("pending", "requires_action")
    assert "cap of 24 hours" in third["policy_decision"]["reasons"][-1]
    assert set(third["next_action"]["approvers"]) == {approver(n).address for n in (1, 2, 3)}
    assert approver(1).address in (await explained(stage, third))["next"]
    assert third["policy_decision"]["acts_next"]["approvers"] == third["next_action"]["approvers"]
    await stage.run()
    assert [await stage.status(each) for each in (second, third)] == ["paid", "requires_action"]
    assert (await read(stage, mandate))["spent_today"] == "150.000000"

    stage.clock.advance(timedelta(days=2))
    outbox, entropy = stage.use_cases.outbox, stage.use_cases.entropy
    intents = Intents(stage.clock, entropy, outbox, deposit_seed=b"")
    expirer = Expirer(await db_as("worker"), stage.clock, intents, use_cases(stage))
    assert (await expirer.run_once(), await expirer.run_once()) == (1, 0)
    late = await rent(stage, mandate, "1.00")
    assert late["policy_decision"]["reasons"][-1] == f"{mandate['id']} does not: expired."
    assert (await explained(stage, mandate))["state"].startswith("expired")
    await stage.approve(late)
    await stage.run()

    assert await stage.status(late) == "paid"
    told = await stage.rows("SELECT type FROM outbox WHERE object_id = %s ORDER BY id", mandate["id"])
    assert [type for (type,) in told] == ["mandate.created", "mandate.approved", "mandate.expired"]
    assert sorted(amount for _, amount in await stage.transfers_out()) == [1e6, 7e6, 50e6, 100e6]
    assert await stage.rows("SELECT mandate_id, count(*) FROM signer.items GROUP BY 1 ORDER BY 1") == [
        (mandate["id"], 2), (None, 2),
    ]  # fmt: skip
    await stage.require_truth()


@pytest.mark.parametrize(
    "how", ["revoked", *(pytest.param(each, marks=pytest.mark.slow) for each in ("frozen", "left", "policy"))]
)
async def test_payout_whose_mandate_ends_before_its_reservation_asks_for_people(
    stage: Treasury, how: str
) -> None:
    mandate = await active(stage)
    payout = await rent(stage, mandate, "40.00")
    async with stage.owner.transaction() as conn:
        if how == "frozen":
            await signer_stops.set(conn, stops.mandate(mandate["id"]), stopped=True, reason="a drill")
        if how == "left":
            people = [parse_address(approver(number).address) for number in (2, 3, 4)]
            await signer_rosters.add(conn, stage.operator, version=2, threshold=2, members=people)
            for person in people:
                await approvals.add_approver(conn, stage.operator, person, roster_version=2)
        if how == "policy":
            await set_policy(conn, stage.operator, stage.token, max_per_payout=LIMIT, max_per_day=LIMIT)
    if how == "revoked":
        async with stage.api.transaction() as conn:
            await use_cases(stage).revoke(
                conn, account_id=stage.operator, livemode=False, mandate_id=mandate["id"], actor="key_test"
            )
    await stage.run()

    waiting = await stage.read(payout)
    assert (waiting["status"], waiting["mandate"]) == ("requires_action", None)
    assert waiting["policy_decision"]["rule"] == "mandate"
    people = {approver(number).address for number in ((2, 3, 4) if how == "left" else (1, 2, 3))}
    assert set(waiting["policy_decision"]["acts_next"]["approvers"]) == people
    assert waiting["next_action"]["approvals_missing"] == 2
    assert await stage.rows("SELECT count(*) FROM slots") == [(0,)]
    await stage.approve(payout, *((2, 3) if how == "left" else (1, 2)))
    await stage.run()
    assert await stage.status(payout) == "paid"
    await stage.require_truth()


async def test_mandate_that_was_revoked_stays_so_and_pays_nothing_though_another_lane_looks_for_such_rounds(
    stage: Treasury,
) -> None:
    mandate = await active(stage)
    payout = await rent(stage, mandate, "40.00")
    async with stage.api.transaction() as conn:
        await use_cases(stage).revoke(
            conn, account_id=stage.operator, livemode=False, mandate_id=mandate["id"], actor="key_test"
        )
    lane = await stage.submitter()
    async with stage.owner.transaction() as conn:
        vault = stage.network.vault
        assert vault is not None
        assert await payout_rounds.due(conn, stage.network.chain_id, vault, stage.clock.now())
        await asyncio.create_task(lane.run_once(), context=Context())

    assert await stage.rows("SELECT count(*) FROM slots") == [(0,)]
    await stage.run(lane)
    assert await stage.status(payout) == "requires_action"
    with pytest.raises(errors.InsufficientPrivilege, match="is revoked, for ever"):
        async with stage.api.transaction() as conn:
            await conn.execute("UPDATE mandates SET state = 'active'")


@pytest.mark.slow
async def test_mandate_counts_the_people_whose_approval_would_count_for_the_payout(stage: Treasury) -> None:
    """Who asks does not count, and a stricter policy asks for more than signed."""
    mandate = await active(stage, max_per_day="500.00")
    by_a_signer = await rent(stage, mandate, "1.00", maker=parse_address(approver(1).address))
    async with stage.owner.transaction() as conn:
        tiers = (Tier(0, 2), Tier(50 * UNIT, 3))
        await set_policy(
            conn, stage.operator, stage.token, approvals=tiers, max_per_payout=LIMIT, max_per_day=5 * LIMIT
        )
    small, large = await rent(stage, mandate, "50.00"), await rent(stage, mandate, "50.000001")

    assert [each["status"] for each in (by_a_signer, small, large)] == [
        "requires_action", "pending", "requires_action",
    ]  # fmt: skip
    assert "signed by 1" in by_a_signer["policy_decision"]["reasons"][-1]
    assert "policy asks for 3" in large["policy_decision"]["reasons"][-1]


@pytest.mark.slow
async def test_mandate_is_signed_only_as_it_stands_and_only_by_those_who_may(stage: Treasury) -> None:
    """A stranger, its maker, a text edited or of another chain or vault: each refused, and nothing kept."""
    mandate = await propose(stage, maker=3)
    typed = mandate["next_action"]["typed_data"]
    other = typed | {"message": typed["message"] | {"maxPerItem": "101000000"}}
    bent = {
        "approver_unknown": (9, typed),
        "approver_is_requester": (3, typed),
        "edited": (1, other),
        "another chain": (1, typed | {"domain": typed["domain"] | {"chainId": 1}}),
        "another vault": (1, typed | {"domain": typed["domain"] | {"verifyingContract": payee(9)}}),
    }
    codes = {}
    for name, (person, text) in bent.items():
        with pytest.raises(Rejected) as refused:
            await sign(stage, mandate, person, typed=text)
        codes[name] = refused.value.code

    assert codes == {name: name if "_" in name else "signature_mismatch" for name in bent}
    assert await stage.rows("SELECT count(*) FROM mandate_approvals") == [(0,)]
    await sign(stage, mandate, 1, 1)
    assert (await read(stage, mandate))["status"] == "requires_action"
    stage.clock.advance(timedelta(days=31))
    with pytest.raises(Conflict) as over:
        await sign(stage, mandate, 2)
    assert over.value.code == "mandate_expired"


async def test_payout_that_no_mandate_could_mean_is_refused(stage: Treasury) -> None:
    mandate = await active(stage)
    elsewhere = checksum(parse_address(payee(5)))

    async def code(asked: Any) -> tuple[str, str | None]:
        with pytest.raises(Rejected) as refused:
            await asked
        return refused.value.code, refused.value.param

    assert await code(stage.request("1.00", elsewhere, mandate=mandate["id"])) == ("not_in_mandate", "to")
    assert await code(stage.request("1.00", LANDLORD, mandate="mnd_0")) == ("mandate_unknown", "mandate")
    assert await code(propose(stage, max_per_item="200.00")) == ("mandate_invalid", "max_per_item")
    assert await code(propose(stage, lasts=timedelta(0))) == ("mandate_invalid", "expires_at")
    assert await code(propose(stage, to=checksum(stage.network.vault or b""))) == (
        "destination_is_ours",
        "to",
    )
    assert await code(propose(stage, max_per_item="10000.01", max_per_day="10000.01")) == (
        "limit_exceeded", "amount",
    )  # fmt: skip
    assert await stage.rows("SELECT count(*) FROM payouts") == [(0,)]
    assert await stage.rows("SELECT count(*) FROM mandates") == [(1,)]


async def test_mandate_that_the_apis_login_forged_pays_nothing_and_is_an_alarm(stage: Treasury) -> None:
    mandate = await propose(stage)
    text = mandate["next_action"]["typed_data"]
    async with stage.api.transaction() as conn:
        for person, stranger in ((1, 11), (2, 12)):
            await mandates.approve(
                conn,
                mandate["id"],
                approver=parse_address(approver(person).address),
                signature=bytes.fromhex(sign_typed(approver(stranger), text)[2:]),
            )
        await conn.execute("UPDATE mandates SET state = 'active'")
    payout = await rent(stage, mandate, "100.00")
    assert payout["status"] == "pending", "the bridge believes its own rows"
    await stage.run(rounds=2)

    assert await stage.status(payout) == "requires_action"
    assert await stage.transfers_out() == []
    [(alarm,)] = await stage.rows("SELECT object FROM outbox WHERE type = 'signer_refusal.created'")
    assert alarm["items"] == [{"name": payout["id"], "code": "approver_unknown"}]
    async with stage.api.read() as conn:
        with pytest.raises(errors.InsufficientPrivilege, match="denied"):
            await conn.execute("UPDATE mandates SET max_per_item = max_per_item + 1")
    await stage.require_truth()
