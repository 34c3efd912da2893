"""Payouts as people ask for them: what is refused at the door, and that one identity pays once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Conflict, NotFound, Rejected
from bascule.domain.policy import APPROVAL_LIFE
from bascule.services.payouts import describe
from tests.support.cases import case
from tests.support.money_out import LIMIT, OpenAs, Treasury, approver, payee, sign_typed, treasury
from tests.support.money_out_setup import set_policy


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


REFUSED: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "a number": ({"amount": 10.5}, "amount_not_string", "amount"),
    "no point": ({"amount": "10"}, "amount_decimal_point_required", "amount"),
    "nothing": ({"amount": "0.00"}, "amount_too_small", "amount"),
    "seven digits": ({"amount": "1.0000001"}, "amount_too_precise", "amount"),
    "beyond an item": ({"amount": "999999999999999999.99"}, "limit_exceeded", "amount"),
    "over the policy": ({"amount": "10000.01"}, "limit_exceeded", "amount"),
    "another currency": ({"currency": "eurc"}, "token_unsupported", "currency"),
    "another token": ({"token": "tok_eth"}, "token_unsupported", "token"),
    "another network": ({"network": "eip155:1"}, "network_unsupported", "network"),
    "no network": ({"network": "base"}, "parameter_invalid", "network"),
    "no address": ({"to": "0x123"}, "address_invalid", "to"),
    "zero address": ({"to": "0x" + "00" * 20}, "address_invalid", "to"),
    "wrong checksum": (
        {"to": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92267"},
        "address_checksum_mismatch",
        "to",
    ),
    "too long a reference": (
        {"client_reference_id": "x" * 256},
        "parameter_invalid",
        "client_reference_id",
    ),
}


async def test_bad_request_is_refused_by_name_and_writes_nothing(stage: Treasury) -> None:
    for name, (changes, code, param) in REFUSED.items():
        with case(name):
            with pytest.raises(Rejected) as refused:
                await stage.request(**changes)

            assert (refused.value.code, refused.value.param) == (code, param)
            assert await stage.rows("SELECT id FROM payouts UNION ALL SELECT event_id FROM outbox") == []


async def test_money_cannot_be_sent_to_our_own_addresses_or_tokens(stage: Treasury) -> None:
    for to, code in (
        (stage.vault, "destination_is_ours"),
        (stage.wallet.address, "destination_is_ours"),
        (checksum(Address(b"\x0d" * 20)), "destination_is_ours"),
        (checksum(Address(b"\x0f" * 20)), "destination_is_ours"),
        (checksum(stage.token.contract), "destination_is_token_contract"),
    ):
        await stage.rows_change(
            "UPDATE networks SET deposit_factory = decode(repeat('0d', 20), 'hex'),"
            " forwarder = decode(repeat('0f', 20), 'hex')"
        )
        with pytest.raises(Rejected) as refused:
            await stage.request("1.00", to)
        assert refused.value.code == code


async def test_amount_that_no_vault_item_can_carry_is_too_large(stage: Treasury) -> None:
    await stage.rows_change("INSERT INTO accounts (id, kind, name) VALUES ('acct_m', 'merchant', 'M')")
    await stage.rows_change(
        "INSERT INTO tokens (id, chain_id, contract, currency, decimals, accepted)"
        " VALUES ('tok_big', 31337, decode(repeat('b1', 20), 'hex'), 'big', 18, true)"
    )

    with pytest.raises(Rejected) as refused:
        await stage.request("309485010.00", currency="big")  # 2**88 base units are 309,485,009.82…

    assert refused.value.code == "amount_too_large"


async def test_daily_limit_counts_what_was_asked_and_not_called_off(stage: Treasury) -> None:
    asked = [await stage.request("10000.00") for _ in range(5)]
    with pytest.raises(Rejected) as refused:
        await stage.request("0.01")
    assert refused.value.code == "limit_exceeded"

    await stage.reject(asked[0])

    assert (await stage.request("10000.00"))["status"] == "requires_action"


async def test_daily_limit_holds_for_requests_made_at_once(stage: Treasury) -> None:
    for _ in range(4):
        await stage.request("10000.00")

    answers = await asyncio.gather(*(stage.request("6000.00") for _ in range(4)), return_exceptions=True)

    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert [getattr(answer, "code", answer) for answer in refused] == ["limit_exceeded"] * 3
    assert await stage.rows("SELECT sum(amount) <= %s FROM payouts", 5 * LIMIT) == [(True,)]


async def test_account_pays_only_what_it_has(stage: Treasury) -> None:
    async with stage.owner.transaction() as conn:
        await set_policy(
            conn, stage.operator, stage.token, approvals=1, max_per_payout=20 * LIMIT, max_per_day=40 * LIMIT
        )
    with pytest.raises(Rejected) as refused:
        await stage.request("100000.01")
    assert refused.value.code == "balance_insufficient"

    both = [await stage.request("60000.00") for _ in range(2)]
    assert (await stage.approve(both[0], 1))["status"] == "pending"
    with pytest.raises(Conflict) as short:
        await stage.approve(both[1], 1)
    assert short.value.code == "insufficient_funds"
    assert await stage.status(both[1]) == "requires_action"
    await stage.require_truth()


async def test_account_without_a_policy_pays_nothing(stage: Treasury) -> None:
    await stage.rows_change("INSERT INTO accounts (id, kind, name) VALUES ('acct_m', 'merchant', 'M')")
    stage.operator = "acct_m"

    with pytest.raises(Rejected) as refused:
        await stage.request()

    assert refused.value.code == "payout_not_allowed"


async def test_identity_names_one_payout_for_ever(stage: Treasury) -> None:
    first = await stage.request("5.00", payee(1), client_reference_id="invoice-7")

    again = await stage.request("5.00", payee(1), client_reference_id="invoice-7", idempotency_key="other")
    assert again["id"] == first["id"]
    for changes in ({"amount": "5.01"}, {"to": payee(2)}):
        other = {"amount": "5.00", "to": payee(1), **changes}
        with pytest.raises(Conflict) as refused:
            await stage.request(**other, client_reference_id="invoice-7")
        assert refused.value.code == "payout_identity_used"
    await stage.reject(first)
    assert (await stage.request("5.00", payee(1), client_reference_id="invoice-7"))["status"] == "canceled"
    assert await stage.rows("SELECT count(*) FROM payouts") == [(1,)]


async def test_idempotency_key_is_the_identity_where_no_reference_is_given(stage: Treasury) -> None:
    first = await stage.request("5.00", payee(1), idempotency_key="k")

    assert (await stage.request("5.00", payee(1), idempotency_key="k"))["id"] == first["id"]
    with pytest.raises(Conflict):
        await stage.request("6.00", payee(1), idempotency_key="k")


async def test_payout_shows_what_must_happen_next(stage: Treasury) -> None:
    shown = await stage.request("10.50", payee(1), description="rent", metadata={"flat": "3"})

    assert shown["object"] == "payout"
    assert (shown["amount"], shown["amount_atomic"], shown["currency"]) == ("10.500000", "10500000", "usdt")
    assert (shown["network"], shown["destination"]) == ("eip155:31337", payee(1))
    assert (shown["approvals"], shown["approvals_required"]) == ([], 2)
    assert shown["policy_decision"] == {
        "rule": "within_limits",
        "reasons": ["10.500000 needs 2 approvals."],
        "acts_next": {
            "actor": "approvers",
            "approvers": sorted((approver(n).address for n in (1, 2, 3)), key=str.lower),
            "approvals_missing": 2,
        },
    }
    message = shown["next_action"]["typed_data"]["message"]
    assert (message["payout"], message["amount"], message["to"]) == (shown["id"], "10500000", payee(1))
    assert (shown["vault_id"], shown["transactions"], shown["paid_at"]) == (None, [], None)
    assert shown["metadata"] == {"flat": "3"}


MALFORMED: tuple[Any, ...] = (
    7,
    "0x",
    "0x" + "zz" * 65,
    "0x" + "01" * 64,
    "0x" + "01" * 64 + "02",
    "0x" + "00" * 64 + "1b",
)


async def test_malformed_signature_is_refused_and_not_kept(stage: Treasury) -> None:
    asked = await stage.request()

    for signature in MALFORMED:
        with case(signature):
            with pytest.raises(Rejected) as refused:
                await stage.approve(asked, 1, signature=signature)

            assert refused.value.code == "signature_invalid"
            assert (await stage.read(asked))["approvals"] == []


async def test_mirrored_signature_of_a_true_approval_is_refused(stage: Treasury) -> None:
    asked = await stage.request()
    raw = bytes.fromhex(sign_typed(approver(1), asked["next_action"]["typed_data"])[2:])
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = (order - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big")
    mirrored = "0x" + (raw[:32] + high + bytes([55 - raw[64]])).hex()

    with pytest.raises(Rejected, match="lower half"):
        await stage.approve(asked, 1, signature=mirrored)


async def test_same_signature_twice_changes_nothing_even_after_payment(stage: Treasury) -> None:
    asked = await stage.request()
    signature = sign_typed(approver(1), asked["next_action"]["typed_data"])
    await stage.approve(asked, 1, signature=signature)
    await stage.approve(asked, 1, signature=signature)
    await stage.approve(asked, 2)
    await stage.run()

    async with stage.api.transaction() as conn:
        shown = await stage.use_cases.approve(
            conn,
            account_id=stage.operator,
            livemode=False,
            payout_id=asked["id"],
            approver=approver(1).address,
            signature=signature,
        )

    assert (shown["status"], len(shown["approvals"])) == ("paid", 2)


async def test_approval_after_its_time_is_refused(stage: Treasury) -> None:
    asked = await stage.request()
    stage.clock.advance(APPROVAL_LIFE)

    with pytest.raises(Conflict) as refused:
        await stage.approve(asked, 1)

    assert refused.value.code == "approval_expired"


async def test_unknown_payout_is_not_found(stage: Treasury) -> None:
    async with stage.api.read() as conn:
        with pytest.raises(NotFound):
            await describe(conn, "po_unknown")
    async with stage.api.transaction() as conn:
        with pytest.raises(NotFound):
            await stage.use_cases.cancel(
                conn, account_id=stage.operator, livemode=True, payout_id="po_x", requested_by="key_test"
            )


async def test_ambiguous_currency_asks_for_the_token(stage: Treasury) -> None:
    await stage.rows_change(
        "INSERT INTO tokens (id, chain_id, contract, currency, decimals, accepted)"
        " VALUES ('tok_two', 31337, decode(repeat('b2', 20), 'hex'), 'usdt', 6, true)"
    )

    with pytest.raises(Rejected) as refused:
        await stage.request()
    assert (refused.value.code, refused.value.param) == ("token_ambiguous", "token")

    assert (await stage.request(token="tok_usdt"))["token"] == "tok_usdt"


async def test_two_approvers_at_once_make_one_hold(stage: Treasury) -> None:
    asked = await stage.request()

    await asyncio.gather(stage.approve(asked, 1), stage.approve(asked, 2))

    assert await stage.rows("SELECT state, holds FROM payouts") == [("pending", 1)]
    assert (await stage.events(asked)).count("approved") == 1
    await stage.require_truth()


async def test_same_identity_asked_for_at_once_is_one_payout(stage: Treasury) -> None:
    made = await asyncio.gather(
        *(stage.request("5.00", payee(1), client_reference_id="same") for _ in range(50))
    )

    assert len({payout["id"] for payout in made}) == 1
    assert await stage.rows("SELECT count(*) FROM payouts") == [(1,)]


async def test_last_approval_and_cancel_at_once_end_canceled_and_hold_nothing(stage: Treasury) -> None:
    asked = await stage.approve(await stage.request(), 1)

    approved, canceled = await asyncio.gather(
        stage.approve(asked, 2), stage.cancel(asked), return_exceptions=True
    )

    assert not isinstance(canceled, BaseException)
    assert not isinstance(approved, BaseException) or isinstance(approved, Conflict)
    assert await stage.status(asked) == "canceled"
    assert await stage.rows("SELECT coalesce(sum(held_debit), 0) FROM ledger.balances") == [(0,)]
    await stage.run()
    assert await stage.transfers_out() == []


async def test_cancel_and_reservation_at_once_agree_on_one_end(stage: Treasury) -> None:
    payout = await stage.approved()
    submitter = await stage.submitter()

    done = await asyncio.gather(stage.cancel(payout), submitter.run_once(), return_exceptions=True)
    await stage.run(submitter)

    canceled = not isinstance(done[0], BaseException)
    assert canceled or isinstance(done[0], Conflict)
    assert await stage.status(payout) == ("canceled" if canceled else "paid")
    assert len(await stage.transfers_out()) == (0 if canceled else 1)
    await stage.require_truth()
