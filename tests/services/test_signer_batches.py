"""One signature of each approver pays a whole batch, however it is spread; any edit of it voids it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from bascule.domain.chain import Address
from bascule.services import quorum
from bascule.services.signing_intents import ApprovedBatch, BatchPlace, PayIntent, PayItem, SignerRefused
from bascule.storage import signer_rosters
from tests.support.cases import case
from tests.support.money_out import OpenAs
from tests.support.signed_batches import approved, batch_items, placed
from tests.support.signing import ACCOUNT, TOKEN, Desk

edit = msgspec.structs.replace
STRANGER = Address(b"\x66" * 20)


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    return await Desk(await db_as("owner"), await db_as("signer")).set_up()


async def refused(desk: Desk, asked: PayIntent) -> set[str]:
    with pytest.raises(SignerRefused) as refusal:
        await desk.signer().sign(asked)
    assert await desk.count("slots") == await desk.count("signatures")
    return {item.code for item in refusal.value.items} or {refusal.value.code}


async def test_batch_is_signed_for_in_several_vault_batches_beside_payouts_of_their_own(desk: Desk) -> None:
    items = batch_items(5)
    batch = approved(desk, items)

    first = await desk.signer().sign(desk.pay(*placed(items, at=[3, 0]), batches=(batch,)))
    mixed = (*placed(items, at=[4, 1], bit=2), desk.item(9))
    await desk.signer().sign(desk.pay(*mixed, batches=(batch,), nonce=1))

    again = await desk.signer().sign(desk.pay(*placed(items, at=[3, 0]), batches=(batch,), epoch=2))
    assert again == first
    assert await desk.count("items") == 5


async def test_each_signature_is_recovered_once_for_a_batch(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, recovered = batch_items(9), []
    recover = quorum.recover
    monkeypatch.setattr(quorum, "recover", lambda *a: recovered.append(a) or recover(*a))

    await desk.signer().sign(desk.pay(*placed(items, at=range(9)), batches=(approved(desk, items),)))

    assert len(recovered) == 2


DISPLACED: dict[str, Callable[[PayItem], PayItem]] = {
    "amount": lambda item: edit(item, amount=item.amount + 1),
    "to": lambda item: edit(item, to=STRANGER),
    "payout": lambda item: edit(item, payout_id="po_other"),
    "account": lambda item: edit(item, account_id="acct_other"),
    "place": lambda item: edit(item, batch=BatchPlace(0, 1)),
    "beyond": lambda item: edit(item, batch=BatchPlace(0, 3)),
    "before": lambda item: edit(item, batch=BatchPlace(0, -3)),
    "both": lambda item: edit(item, expiry=2**40),
}


async def test_payout_that_is_not_what_stands_at_its_place_is_refused_alone(desk: Desk) -> None:
    items = batch_items(3)
    first, second = placed(items, at=[0, 2])

    for name, change in DISPLACED.items():
        with case(name):
            with pytest.raises(SignerRefused) as refusal:
                await desk.signer().sign(desk.pay(change(first), second, batches=(approved(desk, items),)))

            changed = change(first).payout_id
            assert [(item.name, item.code) for item in refusal.value.items] == [(changed, "not_in_batch")]


EDITS: list[tuple[Callable[[ApprovedBatch], ApprovedBatch], str]] = [
    (lambda b: edit(b, leaves=b.leaves[32:] + b.leaves[:32]), "approver_unknown"),
    (lambda b: edit(b, leaves=b.leaves + b.leaves[:32]), "approver_unknown"),
    (lambda b: edit(b, leaves=b.leaves[:-32]), "approver_unknown"),
    (lambda b: edit(b, totals=((TOKEN, 10**9),)), "approver_unknown"),
    (lambda b: edit(b, batch_id="pob_2"), "approver_unknown"),
    (lambda b: edit(b, expiry=b.expiry + 1), "approver_unknown"),
    (lambda b: edit(b, approvals=b.approvals[:1]), "approvals_missing"),
    (lambda b: edit(b, approvals=b.approvals[:1] * 2), "approvals_missing"),
    (lambda b: edit(b, approvals=(b"\0" * 65, *b.approvals)), "signature_invalid"),
    (lambda b: edit(b, leaves=b.leaves[:-1]), "batch_malformed"),
    (lambda b: edit(b, leaves=b""), "batch_malformed"),
    (lambda b: edit(b, totals=((b"", 300),)), "batch_malformed"),
    (lambda b: edit(b, totals=((TOKEN, -1),)), "batch_malformed"),
    (lambda b: edit(b, totals=b.totals * 2), "batch_malformed"),
    (lambda b: edit(b, account_id="acct_other"), "roster_unknown"),
    (lambda b: edit(b, roster_version=2), "roster_not_current"),
    (lambda b: edit(b, expiry=1), "approval_expired"),
]


async def test_any_edit_of_a_batch_voids_its_approvals(desk: Desk) -> None:
    items = batch_items(3)

    for number, (change, code) in enumerate(EDITS):
        with case(f"edit {number}"):
            batch = change(approved(desk, items))
            assert await refused(desk, desk.pay(*placed(items, at=[0, 1]), batches=(batch,))) == {code}


async def test_approvals_given_for_another_vault_pay_nothing_here(desk: Desk) -> None:
    items = batch_items(2)
    batch = approved(desk, items, vault=STRANGER)

    assert await refused(desk, desk.pay(*placed(items, at=[0]), batches=(batch,))) == {"approver_unknown"}


async def test_batch_pays_no_more_of_a_token_than_the_total_people_read(desk: Desk) -> None:
    items = batch_items(3)
    batch = approved(desk, items, totals=((TOKEN, 250),))
    await desk.signer().sign(desk.pay(*placed(items, at=[0]), batches=(batch,)))

    asked = desk.pay(*placed(items, at=[1, 2], bit=1), batches=(batch,), nonce=1)
    with pytest.raises(SignerRefused) as refusal:
        await desk.signer().sign(asked)

    assert [(item.name, item.code) for item in refusal.value.items] == [("po_2", "batch_total_exceeded")]
    # what was signed for once is not counted twice when its vault batch reverted
    retried = placed(items, at=[0, 1])
    await desk.signer().sign(desk.pay(*retried, batches=(batch,), nonce=1))


async def test_payout_listed_twice_is_paid_once(desk: Desk) -> None:
    [item] = batch_items(1)
    batch = approved(desk, [item, item])
    await desk.signer().sign(desk.pay(*placed([item, item], at=[0]), batches=(batch,)))

    asked = desk.pay(*placed([item, item], at=[1], bit=1), batches=(batch,), nonce=1)

    assert await refused(desk, asked) == {"content_changed"}


async def test_new_roster_ends_what_is_left_of_a_batch(desk: Desk) -> None:
    items = batch_items(2)
    batch = approved(desk, items)
    await desk.signer().sign(desk.pay(*placed(items, at=[0]), batches=(batch,)))
    async with desk.owner.transaction() as conn:
        await signer_rosters.add(conn, ACCOUNT, version=2, threshold=1, members=[STRANGER])

    asked = desk.pay(*placed(items, at=[1], bit=1), batches=(batch,), nonce=1)

    assert await refused(desk, asked) == {"roster_not_current"}


async def test_bytes_cannot_outlive_the_batchs_approvals(desk: Desk) -> None:
    items = batch_items(2)
    batch = approved(desk, items, lasts=timedelta(minutes=20))  # the question's deadline is in 30

    asked = desk.pay(*placed(items, at=[0]), batches=(batch,))

    assert await refused(desk, asked) == {"deadline_after_approval"}


async def test_question_with_places_in_no_batch_means_nothing(desk: Desk) -> None:
    items = batch_items(2)
    batch = approved(desk, items)

    for batches in ((), (batch, batch)):
        asked = desk.pay(*placed(items, at=[0], batch=0), batches=batches)
        assert await refused(desk, asked) == {"intent_malformed"}


async def test_two_batches_in_one_vault_batch_keep_their_own_places(desk: Desk) -> None:
    one, other = batch_items(2), batch_items(2, batch="other")
    batches = (approved(desk, one), approved(desk, other, batch_id="pob_2"))
    swapped = placed(one, at=[0], batch=1)

    assert await refused(desk, desk.pay(*swapped, batches=batches)) == {"not_in_batch"}
    right = (*placed(one, at=[0]), *placed(other, at=[1], batch=1, bit=1))
    await desk.signer().sign(desk.pay(*right, batches=batches))


async def test_batch_does_not_lift_hard_limits(desk: Desk) -> None:
    dear = [replace(batch_items(1)[0], amount=1_001)]

    asked = desk.pay(*placed(dear, at=[0]), batches=(approved(desk, dear),))

    assert await refused(desk, asked) == {"item_limit_exceeded"}
