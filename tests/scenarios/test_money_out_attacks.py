"""Money out, attacked: whoever holds the API's database login can ask for everything and pay nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, LiteralString

import pytest
from psycopg import errors

from bascule.domain.chain import Address, caip2, checksum, parse_address
from bascule.domain.errors import Conflict, Forbidden, Rejected
from bascule.entrypoints.readiness import readiness
from bascule.services import payouts as payout_services
from bascule.services.approval_rounds import approval_text, token_of
from bascule.storage import approvals, lanes, ledger, payouts, signer_limits
from bascule.storage.payouts import PayoutRow
from bascule.storage.signer_limits import HardLimits
from tests.support.cases import case, long_after
from tests.support.crashing import Crash, Crashing
from tests.support.limits import limit_items
from tests.support.money_out import LIMIT, OpenAs, Treasury, approver, payee, sign_typed, treasury

STRANGERS = (11, 12)


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def force_pending(stage: Treasury, payout: dict[str, Any], signatures: dict[int, bytes]) -> None:
    """What an attacker does with the API's own login: approvals of its making, state and hold by hand."""
    async with stage.api.transaction() as conn:
        row = await payouts.lock(conn, payout["id"])
        assert row is not None
        text = approval_text(row, await token_of(conn, row))
        digest = text.digest(row.chain_id, row.vault)
        for number, signature in signatures.items():
            who = parse_address(approver(number).address)
            await approvals.insert(conn, row.id, approver=who, digest=digest, signature=signature)
        await payouts.advance_to_pending(conn, row)
        await ledger.post_hold(conn, row.id)


async def require_nothing_left(stage: Treasury) -> None:
    """The submitter saw that the signer would refuse: no nonce was spent on it, and the vault never paid."""
    assert await stage.transfers_out() == []
    assert await stage.rows("SELECT count(*) FROM slots") == [(0,)]
    assert await stage.rows("SELECT count(*) FROM signer.slots") == [(0,)]
    await stage.require_truth()


@pytest.mark.parametrize("roster_version", long_after(1, [1, 2]))
async def test_strangers_among_the_bridges_approvers_pay_nothing(
    stage: Treasury, roster_version: int
) -> None:
    async with stage.owner.transaction() as conn:  # not even the bridge's owner is whom the signer obeys
        for number in STRANGERS:
            who = parse_address(approver(number).address)
            await approvals.add_approver(conn, stage.operator, who, roster_version=roster_version)
    asked = await stage.request("100.00", payee(1))
    typed = asked["next_action"]["typed_data"]
    forged = {n: bytes.fromhex(sign_typed(approver(n), typed)[2:]) for n in STRANGERS}
    await force_pending(stage, asked, forged)

    await stage.run(rounds=2)

    assert await stage.status(asked) == "requires_action"
    assert {await stage.node.read(stage.vault, "used(uint256)", [0], "bool")} == {False}
    await require_nothing_left(stage)


@pytest.mark.parametrize("column", ["destination = decode(repeat('66', 20), 'hex')", "amount = amount + 1"])
async def test_database_lets_nobody_edit_an_approved_payout(stage: Treasury, column: LiteralString) -> None:
    asked = await stage.approved("100.00", payee(1))

    for db, words in ((stage.api, "denied"), (stage.submitters_db, "for ever"), (stage.owner, "for ever")):
        async with db.read() as conn:
            with pytest.raises(errors.InsufficientPrivilege, match=words):
                await conn.execute("UPDATE payouts SET " + column)

    assert await stage.status(asked) == "pending"


async def test_approvals_replayed_under_a_payout_to_the_attacker_pay_nothing(stage: Treasury) -> None:
    await stage.approved("100.00", payee(1))
    signed = await stage.rows("SELECT signature FROM payout_approvals")
    await stage.run()
    thief = await stage.request("100.00", payee(66))
    await force_pending(stage, thief, {1: signed[0][0], 2: signed[1][0]})

    await stage.run(rounds=2)

    assert await stage.status(thief) == "requires_action"
    assert [who for who, _ in await stage.transfers_out()] == [payee(1)]
    assert await stage.rows("SELECT kind FROM signer.slots ORDER BY nonce") == [("pay",)]
    await stage.require_truth()


async def test_honest_payouts_beside_a_forged_one_are_paid_without_a_self_send(stage: Treasury) -> None:
    honest = await stage.approved("7.00", payee(1))
    forged = await stage.request("100.00", payee(2))
    await force_pending(stage, forged, {1: b"\x01" * 64 + b"\x1b"})

    await stage.run()

    assert [await stage.status(p) for p in (honest, forged)] == ["paid", "requires_action"]
    assert await stage.transfers_out() == [(payee(1), 7_000_000)]
    assert await stage.rows("SELECT kind, state FROM slots") == [("pay", "final")]
    assert await stage.rows("SELECT count(*) FROM signer.refusals") == [(0,)]
    await stage.require_truth()


async def test_forgery_seen_before_its_reservation_is_an_alarm_for_each_payout(stage: Treasury) -> None:
    async def forge(payout: dict[str, Any]) -> None:
        typed = (await stage.read(payout))["next_action"]["typed_data"]
        by_strangers = [bytes.fromhex(sign_typed(approver(n), typed)[2:]) for n in STRANGERS]
        await force_pending(stage, payout, dict(enumerate(by_strangers, 1)))

    forged = [await stage.request("100.00", payee(number)) for number in (1, 2)]
    for payout in forged:
        await forge(payout)
    await stage.run(rounds=2)
    await forge(forged[0])
    await stage.run()

    told = await stage.rows("SELECT object FROM outbox WHERE type = 'signer_refusal.created' ORDER BY id")
    assert len(told) == 2
    for payout in forged:
        named = [{"name": payout["id"], "code": "approver_unknown"}]
        assert [alarm["nonce"] for (alarm,) in told if alarm["items"] == named] == [0]
    _, ready = await readiness(stage.api, stage.clock, 10**9)
    assert ready["signer_refusals"] == {caip2(stage.network.chain_id): 2}
    stage.clock.advance(timedelta(days=2))
    _, ready = await readiness(stage.api, stage.clock, 10**9)
    assert ready["signer_refusals"] == {}
    await require_nothing_left(stage)


async def test_honest_payouts_of_a_refused_batch_are_paid_in_the_next(stage: Treasury) -> None:
    """The signer's limit fell below one of them after their reservation."""
    honest = await stage.approved("7.00", payee(1))
    large = await stage.approved("100.00", payee(2))
    with pytest.raises(Crash):
        await (await stage.submitter(failpoints=Crashing("submitter.after_reserve"))).run_once()
    await limit_items(stage, 99_000_000)

    await stage.run(rounds=3)

    assert [await stage.status(p) for p in (honest, large)] == ["paid", "requires_action"]
    assert await stage.transfers_out() == [(payee(1), 7_000_000)]
    assert await stage.rows("SELECT kind, state FROM slots ORDER BY nonce") == [
        ("fill", "final"),
        ("pay", "final"),
    ]
    await stage.require_truth()


async def test_payout_beyond_the_signers_day_waits_for_it_and_needs_no_new_approvals(stage: Treasury) -> None:
    await limit_items(stage, LIMIT, day=10_000_000)
    early = await stage.approved("6.00", payee(1))
    stage.clock.advance(timedelta(seconds=1))
    late = await stage.approved("5.00", payee(2))

    await stage.run(rounds=2)

    assert [await stage.status(p) for p in (early, late)] == ["paid", "pending"]
    assert (await stage.read(late))["waits_for"] == "signer_refuses:day_limit_exceeded"
    assert await stage.rows("SELECT kind FROM slots") == [("pay",)]
    stage.clock.advance(timedelta(hours=25))
    await stage.run()
    assert await stage.status(late) == "paid"
    await stage.require_truth()


async def test_payout_that_the_signers_day_left_no_room_for_after_its_reservation_keeps_its_approvals(
    stage: Treasury,
) -> None:
    """Others were signed between the count and the signature: here the limit falls, which is the same."""
    small, late = await stage.approved("4.00", payee(1)), await stage.approved("5.00", payee(2))
    with pytest.raises(Crash):
        await (await stage.submitter(failpoints=Crashing("submitter.after_reserve"))).run_once()
    await limit_items(stage, LIMIT, day=7_000_000)
    lane = await stage.submitter()
    await stage.run(lane, rounds=3)

    states = {each["id"]: await stage.read(each) for each in (small, late)}
    waits = [each for each in states.values() if each["status"] == "pending"]
    assert [each["waits_for"] for each in waits] == ["signer_refuses:day_limit_exceeded"]
    assert [each["status"] for each in states.values()].count("paid") == 1
    assert await stage.rows("SELECT kind FROM slots ORDER BY nonce") == [("fill",), ("pay",)]
    assert await stage.rows("SELECT sum(held_debit) > 0 FROM ledger.balances") == [(True,)], "still held"
    stage.clock.advance(timedelta(hours=25))
    await stage.run(lane, rounds=2)
    assert [await stage.status(each) for each in (small, late)] == ["paid", "paid"]
    await stage.require_truth()


async def test_stranger_and_double_signer_do_not_count_as_approvers(stage: Treasury) -> None:
    asked = await stage.request()

    with pytest.raises(Forbidden) as refused:
        await stage.approve(asked, STRANGERS[0])
    assert refused.value.code == "approver_unknown"
    await stage.approve(asked, 1)
    assert (await stage.approve(asked, 1))["status"] == "requires_action"

    await stage.run()
    assert await stage.status(asked) == "requires_action"
    await stage.require_truth()


async def replayed(stage: Treasury, asked: dict[str, Any], **changes: object) -> str:
    """Approver 1's signature for a text that differs from what is asked."""
    typed = {**asked["next_action"]["typed_data"]}
    inside = "domain" if set(changes) & {"chainId", "verifyingContract"} else "message"
    typed[inside] = {**typed[inside], **changes}
    return sign_typed(approver(1), typed)


OTHER_CONTENT: dict[str, object] = {
    "payout": "po_another",
    "account": "acct_another",
    "amount": "10500001",
    "to": payee(66),
    "token": payee(67),
    "expiry": "1",
    "rosterVersion": "2",
    "chainId": 1,
    "verifyingContract": payee(68),
}


async def test_approval_of_other_content_is_refused_at_the_door(stage: Treasury) -> None:
    asked = await stage.request("10.50")

    for name, value in OTHER_CONTENT.items():
        with case(name):
            with pytest.raises(Rejected) as refused:
                await stage.approve(asked, 1, signature=await replayed(stage, asked, **{name: value}))

            assert refused.value.code == "signature_mismatch"
            assert (await stage.read(asked))["approvals"] == []

    await stage.run()
    assert await stage.rows("SELECT next_nonce FROM wallets") == [(0,)], "nothing was reserved"
    assert await stage.transfers_out() == []


async def test_approval_for_another_network_vault_or_amount_is_refused_by_name_and_reserves_nothing(
    stage: Treasury,
) -> None:
    old_vault, chain_id = parse_address(payee(68)), stage.network.chain_id
    await stage.rows_change(
        "INSERT INTO networks SELECT made.* FROM networks AS n,"
        ' jsonb_populate_record(n, \'{"chain_id": 10, "name": "another"}\') AS made'
    )
    async with stage.owner.transaction() as conn:
        wallet = parse_address(stage.wallet.address)
        await lanes.open(conn, chain_id, lane=9, name="vault-9", vault=old_vault, wallet=wallet)
    asked, _ = await stage.request("10.50"), await stage.request("10.51")
    for name, change in {
        "approval_other_chain": {"chainId": 10},
        "approval_other_vault": {"verifyingContract": checksum(old_vault)},
        "approval_other_amount": {"amount": "10510000"},
    }.items():
        with case(name):
            with pytest.raises(Rejected) as refused:
                await stage.approve(asked, 1, signature=await replayed(stage, asked, **change))
            assert (refused.value.code, refused.value.param) == (name, "signature")
    with pytest.raises(Rejected, match="signed it for 10500000000000000000 base units"):
        await stage.approve(asked, 1, signature=await replayed(stage, asked, amount=str(10_500_000 * 10**12)))

    assert (await stage.read(asked))["approvals"] == []
    await stage.run()
    assert await stage.rows("SELECT count(*) FROM slots") == [(0,)], "nothing was reserved"


async def test_api_login_says_nothing_of_who_may_approve(stage: Treasury) -> None:
    who = parse_address(approver(9).address)

    with pytest.raises(errors.InsufficientPrivilege):
        async with stage.api.transaction() as conn:
            await approvals.add_approver(conn, stage.operator, who, roster_version=2**31 - 1)


async def test_roster_that_changed_meanwhile_starts_the_round_again(stage: Treasury) -> None:
    asked = await stage.approve(await stage.request(), 1)
    async with stage.owner.transaction() as conn:
        for number in (2, 3):
            who = parse_address(approver(number).address)
            await approvals.add_approver(conn, stage.operator, who, roster_version=2)

    with pytest.raises(Conflict) as refused:
        await stage.approve(asked, 2)
    assert refused.value.code == "roster_changed"
    await stage.run()

    renewed = await stage.read(asked)
    assert (renewed["status"], renewed["approvals"]) == ("requires_action", [])
    assert renewed["next_action"]["typed_data"]["message"]["rosterVersion"] == "2"


async def test_another_account_cannot_see_or_touch_a_payout(stage: Treasury) -> None:
    asked = await stage.request()

    async with stage.api.transaction() as conn:
        with pytest.raises(Rejected, match="No such payout"):
            await payout_services.own(conn, asked["id"], "acct_other", False)
        found: PayoutRow = await payout_services.own(conn, asked["id"], stage.operator, False)
    assert checksum(found.destination) == asked["destination"]


async def test_new_round_counts_no_signature_of_the_one_before(stage: Treasury) -> None:
    asked = await stage.approved("100.00", payee(1))
    async with stage.owner.transaction() as conn:
        limits = HardLimits(1, 5 * LIMIT, 1_000 * 10**9, 16_000_000)
        vault, token = parse_address(stage.vault), Address(stage.token.contract)
        await signer_limits.set(conn, stage.node.dev.chain_id, vault=vault, token=token, limits=limits)

    await stage.run()  # refused by the signer in the very second it was asked for

    renewed = await stage.read(asked)
    assert (renewed["status"], renewed["approvals"]) == ("requires_action", [])
    assert renewed["approval_expires_at"] == asked["approval_expires_at"] + 1
    await stage.require_truth()
