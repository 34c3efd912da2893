"""One signature for a whole batch: what is signed is each item in its place, and the sum of each token."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.domain.approval import BatchApproval, BatchItem
from bascule.domain.chain import Address, checksum
from bascule.domain.hashing import keccak

addresses = st.binary(min_size=20, max_size=20).map(Address)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
items = st.builds(
    BatchItem, texts, st.sampled_from([Address(b"\x11" * 20), Address(b"\x12" * 20)]), addresses,
    st.integers(1, 2**88 - 1),
)  # fmt: skip
batches = st.lists(items, min_size=1, max_size=9)
TOKEN, OTHER, VAULT = Address(b"\x11" * 20), Address(b"\x12" * 20), Address(b"\x77" * 20)
ITEMS = [BatchItem(f"po_{n}", TOKEN, Address(bytes([n]) * 20), 100 + n) for n in range(1, 5)]


def approval(of: list[BatchItem], *, account: str = "acct_1", batch: str = "pob_1") -> BatchApproval:
    return BatchApproval.of(account, batch, of, expiry=9, roster_version=1)


def digest(of: list[BatchItem]) -> bytes:
    return approval(of).digest(1, VAULT)


@settings(max_examples=15)
@given(batches, texts, st.integers(1, 2**53), addresses)
def test_a_batch_hashes_as_eth_account_hashes_the_json_that_shows_each_item(
    of: list[BatchItem], batch: str, chain_id: int, vault: Address
) -> None:
    text = approval(of, batch=batch)
    over_the_wire = json.loads(json.dumps(text.typed_data(chain_id, vault, of)))

    message = encode_typed_data(full_message=over_the_wire)

    hashed = keccak(b"\x19" + message.version + message.header + message.body)
    assert text.digest(chain_id, vault) == hashed


@given(batches, st.data())
def test_any_edit_of_any_item_changes_the_digest(of: list[BatchItem], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(of) - 1))
    field = data.draw(st.sampled_from(["payout", "token", "to", "amount"]))
    changed = {
        "payout": of[place].payout + "x",
        "token": OTHER if of[place].token == TOKEN else TOKEN,
        "to": Address(bytes(b ^ 1 for b in of[place].to)),
        "amount": of[place].amount + 1,
    }
    edited = [*of]
    edited[place] = replace(of[place], **{field: changed[field]})

    assert digest(edited) != digest(of)


def test_order_removal_addition_and_repetition_change_the_digest() -> None:
    others = [ITEMS[::-1], ITEMS[:-1], ITEMS[1:], [*ITEMS, ITEMS[0]], [ITEMS[0], ITEMS[0], *ITEMS[2:]]]

    assert len({digest(ITEMS), *map(digest, others)}) == 6


def test_every_other_field_and_the_domain_change_the_digest() -> None:
    text = approval(ITEMS)
    others = [
        replace(text, account="acct_2"),
        replace(text, batch="pob_2"),
        replace(text, totals=((TOKEN, 1),)),
        replace(text, expiry=10),
        replace(text, roster_version=2),
    ]
    digests = {other.digest(1, VAULT) for other in others}
    digests |= {text.digest(1, VAULT), text.digest(2, VAULT), text.digest(1, TOKEN)}

    assert len(digests) == 8


@given(batches)
def test_totals_are_the_sums_of_what_is_listed(of: list[BatchItem]) -> None:
    sums: Counter[str] = Counter()
    for item in of:
        sums[checksum(item.token)] += item.amount

    message = approval(of).typed_data(1, VAULT, of)["message"]

    assert {total["token"]: int(total["amount"]) for total in message["totals"]} == sums
    assert message["count"] == str(len(of))
    assert [(item["payout"], item["amount"]) for item in message["items"]] == [
        (item.payout, str(item.amount)) for item in of
    ]


@given(batches, st.integers(-3, 12), items)
def test_an_item_stands_at_its_own_place_alone(of: list[BatchItem], place: int, item: BatchItem) -> None:
    text = approval(of)

    assert text.has(place, item.leaf()) == (0 <= place < len(of) and of[place] == item)
    assert all(text.has(n, each.leaf()) for n, each in enumerate(of))


def test_typed_data_of_other_items_than_the_leaves_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="stand in the leaves"):
        approval(ITEMS).typed_data(1, VAULT, ITEMS[::-1])


def test_a_wallets_signature_over_the_json_recovers_over_the_digest() -> None:
    wallet, text = Account.from_key(b"\x01" * 32), approval(ITEMS)

    signed = wallet.sign_typed_data(full_message=text.typed_data(1, VAULT, ITEMS))

    assert Account._recover_hash(text.digest(1, VAULT), signature=signed.signature) == wallet.address
