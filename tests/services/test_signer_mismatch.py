"""One bit of difference between what people approved and what is asked for, and nothing is signed."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from bascule.services.signing_intents import Intent, PayIntent, PayItem, SignerRefused
from tests.support.money_out import OpenAs
from tests.support.signing import Desk

REPLACE = msgspec.structs.replace


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    return await Desk(await db_as("owner"), await db_as("signer")).set_up()


def bent(raw: bytes) -> Iterator[bytes]:
    """The same bytes with the lowest bit of one of them turned, for each of them."""
    for at in range(len(raw)):
        yield raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def bent_number(value: int, octets: int) -> Iterator[int]:
    return (int.from_bytes(each, "big") for each in bent(value.to_bytes(octets, "big")))


def bent_text(text: str) -> Iterator[str]:
    return (each.decode() for each in bent(text.encode()))


def items(honest: PayItem) -> Iterator[tuple[str, PayItem]]:
    """Everything an approval says of the item, and the approvals themselves."""
    yield from (("payout_id", REPLACE(honest, payout_id=each)) for each in bent_text(honest.payout_id))
    yield from (("account_id", REPLACE(honest, account_id=each)) for each in bent_text(honest.account_id))
    yield from (("to", REPLACE(honest, to=each)) for each in bent(honest.to))
    yield from (("amount", REPLACE(honest, amount=each)) for each in bent_number(honest.amount, 11))
    yield from (("expiry", REPLACE(honest, expiry=each)) for each in bent_number(honest.expiry, 8))
    yield "roster_version", REPLACE(honest, roster_version=honest.roster_version ^ 1)
    one, *others = honest.approvals
    for each in bent(one):
        yield "approvals", REPLACE(honest, approvals=(each, *others))


def questions(honest: PayIntent) -> Iterator[tuple[str, PayIntent]]:
    """What an approval says of the place of payment."""
    yield "chain_id", REPLACE(honest, chain_id=honest.chain_id ^ 1)
    yield from (("vault", REPLACE(honest, vault=each)) for each in bent(honest.vault))
    yield from (("token", REPLACE(honest, token=each)) for each in bent(honest.token))
    for name, item in items(honest.items[0]):
        yield name, REPLACE(honest, items=(item,))


def contents(honest: PayIntent) -> Iterator[tuple[str, PayIntent]]:
    """What no approval says, and the nonce is bound to."""
    yield from (("head", REPLACE(honest, expected_head=each)) for each in bent(honest.expected_head))
    yield from (("deadline", REPLACE(honest, deadline=each)) for each in bent_number(honest.deadline, 8))
    item = honest.items[0]
    yield "position", REPLACE(honest, items=(REPLACE(item, position=item.position ^ 1),))
    for reference in bent_text(item.reference):
        yield "reference", REPLACE(honest, items=(REPLACE(item, reference=reference),))


async def code(desk: Desk, intent: Intent) -> str:
    try:
        await desk.signer().sign(intent)
    except SignerRefused as refused:
        return refused.items[0].code if refused.items else refused.code
    return "signed"


async def test_one_bit_other_than_approved_is_refused_and_kept_in_every_field(desk: Desk) -> None:
    honest = desk.pay(desk.item())
    found = [(name, await code(desk, asked)) for name, asked in questions(honest)]

    assert {name for name, _ in found} == {
        "chain_id", "vault", "token", "payout_id", "account_id", "to", "amount", "expiry", "roster_version",
        "approvals",
    }  # fmt: skip
    assert [name for name, said in found if said == "signed"] == []
    assert (await desk.count("slots"), await desk.count("items")) == (0, 0)
    assert await desk.count("refusals") == len(found)
    assert await code(desk, honest) == "signed"


async def test_one_bit_other_than_signed_is_refused_under_the_same_nonce(desk: Desk) -> None:
    honest = desk.pay(desk.item())
    assert await code(desk, honest) == "signed"

    found = {name: await code(desk, asked) for name, asked in contents(honest)}

    assert found == dict.fromkeys(("head", "deadline", "position", "reference"), "slot_taken")
    assert await desk.count("signatures") == 1
