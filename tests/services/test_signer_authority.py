"""Rosters and hard limits change by the signatures of those who are obeyed already, one version at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from bascule.domain.authority import AccountLimitsUpdate, LimitsUpdate, Request, RosterUpdate
from bascule.domain.chain import Address, parse_address
from bascule.services.signer_authority import Change
from bascule.services.signing_intents import AccountRule, PayItem, RulesQuestion, SignerRefused
from bascule.storage import signer_account_limits, signer_limits, signer_rosters
from bascule.storage.signer_account_limits import AccountLimits
from bascule.storage.signer_limits import HardLimits
from tests.support.money_out import OpenAs, approver, sign_typed
from tests.support.signing import ACCOUNT, CHAIN, TOKEN, VAULT, Desk

MERCHANT = "acct_merchant"
OTHER = Address(b"\x03" * 20)


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    return await Desk(await db_as("owner"), await db_as("signer")).set_up()


def people(*numbers: int) -> tuple[Address, ...]:
    return tuple(parse_address(approver(number).address) for number in numbers)


def signed(request: Request, *by: int) -> Change:
    typed = request.typed_data()
    return Change(typed, tuple(bytes.fromhex(sign_typed(approver(n), typed)[2:]) for n in by))


def roster(
    *by: int, members: tuple[int, ...] = (1, 2, 4), vault: Address = VAULT, chain: int = CHAIN, **changes: Any
) -> Change:
    """The operator's second roster, in which 4 stands for 3, unless changed."""
    fields = {"account": ACCOUNT, "version": 2, "threshold": 2, "approvers": people(*members)} | changes
    return signed(Request(RosterUpdate(**fields), chain, vault), *by)


def limits(*by: int, vault: Address = VAULT, **changes: Any) -> Change:
    fields = {"token": TOKEN, "version": 2, "max_per_item": 50, "max_per_day": 60} | changes
    update = LimitsUpdate(max_fee_per_gas=100_000_000_000, max_gas=16_000_000, **fields)
    return signed(Request(update, CHAIN, vault), *by)


async def refusal(desk: Desk, change: Change) -> str:
    with pytest.raises(SignerRefused) as refused:
        await desk.signer().apply(change)
    return refused.value.code


async def test_roster_signed_by_its_members_rules_and_keeps_the_signatures(desk: Desk) -> None:
    change = roster(1, 2)

    assert (await desk.signer().apply(change)).version == 2

    old = desk.pay(desk.item(0))
    with pytest.raises(SignerRefused) as refused:
        await desk.signer().sign(old)
    assert [item.code for item in refused.value.items] == ["roster_not_current"]
    await desk.signer().sign(desk.pay(desk.item(0, roster_version=2, by=(1, 4))))
    async with desk.owner.read() as conn:
        kept = await (
            await conn.execute("SELECT signatures FROM signer.rosters WHERE version = 2")
        ).fetchall()
    assert kept == [(["0x" + each.hex() for each in change.signatures],)]


async def test_limits_signed_by_the_operators_approvers_rule(desk: Desk) -> None:
    await desk.signer().apply(limits(1, 3))

    with pytest.raises(SignerRefused) as refused:
        await desk.signer().sign(desk.pay(desk.item(0, amount=51)))
    assert [item.code for item in refused.value.items] == ["item_limit_exceeded"]
    await desk.signer().sign(desk.pay(desk.item(0, amount=50)))


def account_limits(*by: int, to: tuple[bytes, ...] = (), **changes: Any) -> Change:
    """The operator's account gets 250 a day, to anybody, unless changed."""
    fields = {"account": ACCOUNT, "token": TOKEN, "version": 1, "max_per_day": 250} | changes
    update = AccountLimitsUpdate(destinations=tuple(map(Address, to)), **fields)
    return signed(Request(update, CHAIN, VAULT), *by)


async def codes(desk: Desk, *items: PayItem, nonce: int = 0) -> list[str]:
    """Why each item at fault is refused; nothing: they were signed."""
    try:
        await desk.signer().sign(desk.pay(*items, nonce=nonce))
    except SignerRefused as refused:
        return [item.code for item in refused.items]
    return []


async def test_account_is_signed_for_within_its_own_day_whoever_approves(desk: Desk) -> None:
    """Approvers of one account and a bridge that obeys them are bound by more than the vault's limits."""
    assert (await desk.signer().apply(account_limits(1, 2))).version == 1
    assert (await desk.signer().apply(account_limits(1, 2))).version == 1, "again is harmless"

    assert await codes(desk, desk.item(0), desk.item(1), desk.item(2, amount=51)) == ["account_day_exceeded"]
    assert await codes(desk, desk.item(0), desk.item(1)) == []
    assert await codes(desk, desk.item(2, amount=51), nonce=1) == ["account_day_exceeded"]
    asked = RulesQuestion(CHAIN, VAULT, TOKEN, (ACCOUNT, MERCHANT))
    assert (await desk.signer().rules(asked)).bounds == (AccountRule(ACCOUNT, 200, 250, ()),)
    assert await codes(desk, desk.item(2, amount=50), nonce=1) == []


async def test_account_with_an_allowlist_is_paid_out_to_nobody_else(desk: Desk) -> None:
    friend, other = b"\x51" * 20, b"\x52" * 20
    await desk.signer().apply(account_limits(1, 2, to=(friend,), max_per_day=10_000))

    assert await codes(desk, desk.item(0, to=friend), desk.item(1, to=other)) == ["destination_not_allowed"]
    assert await codes(desk, desk.item(0, to=friend)) == []
    await desk.signer().apply(account_limits(2, 3, to=(friend, other), max_per_day=10_000, version=2))
    assert await codes(desk, desk.item(1, to=other), nonce=1) == []


async def test_account_cannot_lift_its_own_bounds(desk: Desk) -> None:
    await desk.signer().apply(roster(1, 2, members=(7, 8), account=MERCHANT, version=1))

    assert await refusal(desk, account_limits(7, 8, account=MERCHANT)) == "approver_unknown"
    assert await refusal(desk, account_limits(1, account=MERCHANT)) == "approvals_missing"
    assert await refusal(desk, account_limits(1, 2, version=2)) == "version_out_of_order"
    async with desk.db.transaction() as conn:
        with pytest.raises(psycopg.errors.CheckViolation):
            await signer_account_limits.insert(
                conn, ACCOUNT, CHAIN, vault=VAULT, token=TOKEN,
                limits=AccountLimits(1, 10**9, frozenset()), signatures=[],
            )  # fmt: skip


async def test_token_gets_its_first_limits_by_signatures_too(desk: Desk) -> None:
    await desk.signer().apply(limits(1, 2, vault=OTHER, version=1))

    async with desk.db.read() as conn:
        ruling = await signer_limits.ruling(conn, CHAIN, vault=OTHER, token=TOKEN)
    assert ruling == (1, HardLimits(50, 60, 100_000_000_000, 16_000_000))


async def test_merchants_first_roster_is_the_operators_and_the_next_its_own(desk: Desk) -> None:
    first = {"account": MERCHANT, "version": 1, "members": (5, 6)}
    assert await refusal(desk, roster(5, 6, **first)) == "approver_unknown"
    await desk.signer().apply(roster(1, 2, **first))

    next_one = {"account": MERCHANT, "version": 2, "members": (5, 7)}
    assert await refusal(desk, roster(1, 2, **next_one)) == "approver_unknown"
    await desk.signer().apply(roster(5, 6, **next_one))

    await desk.signer().sign(desk.pay(desk.item(account_id=MERCHANT, roster_version=2, by=(5, 7))))


REFUSED: dict[str, tuple[Change, str]] = {
    "one signature": (roster(1), "approvals_missing"),
    "one person twice": (roster(1, 1), "approvals_missing"),
    "nobody": (roster(), "approvals_missing"),
    "a stranger": (roster(1, 9), "approver_unknown"),
    "the new member": (roster(1, 4), "approver_unknown"),
    "two members and a stranger": (roster(1, 2, 9), "approver_unknown"),
    "the version that rules, with other people": (roster(1, 2, version=1), "version_out_of_order"),
    "the version after the next": (roster(1, 2, version=3), "version_out_of_order"),
    "another vault's domain": (roster(1, 2, vault=OTHER), "wrong_domain"),
    "another chain's domain": (roster(1, 2, chain=1), "wrong_domain"),
    "limits by one person": (limits(1), "approvals_missing"),
    "limits by a stranger": (limits(1, 9), "approver_unknown"),
    "limits of version 1 again, higher": (limits(1, 2, version=1), "version_out_of_order"),
    "limits of version 3": (limits(1, 2, version=3), "version_out_of_order"),
    "signatures of another text": (
        Change(limits(1, 2).typed_data, limits(1, 2, max_per_item=51).signatures),
        "approver_unknown",
    ),
    "half a signature": (Change(roster().typed_data, (b"\x01" * 64,)), "signature_invalid"),
    "no update at all": (Change({"primaryType": "\0", "x": {}}, ()), "update_malformed"),
}


async def test_change_without_the_authority_for_it_is_refused_and_kept(desk: Desk) -> None:
    found = {name: await refusal(desk, change) for name, (change, _) in REFUSED.items()}

    assert found == {name: code for name, (_, code) in REFUSED.items()}
    assert (await desk.count("rosters"), await desk.count("limits")) == (1, 1)
    assert await desk.count("refusals") == len(REFUSED)


async def test_applied_version_is_answered_with_itself_and_never_written_twice(desk: Desk) -> None:
    for change in (roster(1, 2), limits(1, 2)):
        answers = await asyncio.gather(*(desk.signer().apply(change) for _ in range(3)))
        assert {answer.version for answer in answers} == {2}

    assert (await desk.count("rosters"), await desk.count("limits")) == (2, 2)


async def test_two_next_versions_at_once_give_one(desk: Desk) -> None:
    rivals = [roster(1, 2), roster(2, 3, members=(1, 2, 5))]

    answers = await asyncio.gather(*(desk.signer().apply(each) for each in rivals), return_exceptions=True)

    assert sorted(getattr(each, "code", "applied") for each in answers) == ["applied", "version_out_of_order"]


async def test_nothing_is_applied_before_the_operator_has_a_first_roster(db_as: OpenAs) -> None:
    empty = Desk(await db_as("owner"), await db_as("signer"))

    assert await refusal(empty, roster(1, 2)) == "genesis_missing"
    async with empty.db.read() as conn:
        assert await signer_rosters.genesis(conn) is None
