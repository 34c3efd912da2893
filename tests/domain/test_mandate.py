import json

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Rejected
from bascule.domain.hashing import keccak
from bascule.domain.mandate import CLAIMANT, KINDS, Mandate

addresses = st.binary(min_size=20, max_size=20).map(Address)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
amounts = st.tuples(st.integers(1, 2**256 - 1), st.integers(1, 2**256 - 1)).map(sorted)
VAULT = Address(b"\x77" * 20)
PAYEE = Address(b"\xab" * 20)


@settings(max_examples=50)
@given(texts, texts, st.sampled_from(KINDS), texts, addresses, amounts, st.integers(0, 2**64 - 1))
def test_a_mandate_hashes_as_eth_account_hashes_its_json(
    account: str, mandate: str, kind: str, to: str, token: Address, caps: list[int], expiry: int
) -> None:
    text = Mandate(account, mandate, kind, to, token, *caps, expiry)
    over_the_wire = json.loads(json.dumps(text.typed_data(1, VAULT)))

    message = encode_typed_data(full_message=over_the_wire)

    assert text.digest(1, VAULT) == keccak(b"\x19" + message.version + message.header + message.body)


def test_a_mandate_covers_its_one_address_or_whoever_claims() -> None:
    def to(destination: str) -> Mandate:
        return Mandate("acct_1", "mnd_1", "refund", destination, VAULT, 1, 1, 9)

    assert to(checksum(PAYEE)).covers(PAYEE)
    assert not to(checksum(PAYEE)).covers(VAULT)
    assert to(CLAIMANT).covers(VAULT)
    assert not to(checksum(PAYEE).lower()).covers(PAYEE)


@pytest.mark.parametrize(
    ("kind", "per_item", "per_day", "expiry"),
    [("salary", 1, 1, 9), ("refund", 0, 1, 9), ("refund", 2, 1, 9), ("refund", 1, 1, 2**64)],
)
def test_a_mandate_that_means_nothing_is_refused(kind: str, per_item: int, per_day: int, expiry: int) -> None:
    with pytest.raises(Rejected) as refused:
        Mandate("acct_1", "mnd_1", kind, CLAIMANT, VAULT, per_item, per_day, expiry)

    assert refused.value.code == "mandate_invalid"
