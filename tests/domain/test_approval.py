import json
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.domain.approval import PayoutApproval
from bascule.domain.chain import Address
from bascule.domain.hashing import keccak

addresses = st.binary(min_size=20, max_size=20).map(Address)
uint256 = st.integers(0, 2**256 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
chains = st.integers(1, 2**53)
payouts = st.builds(PayoutApproval, texts, texts, addresses, addresses, uint256, uint256, uint256)
VAULT = Address(b"\x77" * 20)
APPROVAL = PayoutApproval("acct_1", "po_1", Address(b"\x11" * 20), Address(b"\x22" * 20), 5, 9, 1)


def hashed_by_eth_account(typed_data: dict[str, Any]) -> bytes:
    over_the_wire = json.loads(json.dumps(typed_data))
    message = encode_typed_data(full_message=over_the_wire)
    return keccak(b"\x19" + message.version + message.header + message.body)


@settings(max_examples=50)
@given(payouts, chains, addresses)
def test_a_payout_approval_hashes_as_eth_account_hashes_its_json(
    approval: PayoutApproval, chain_id: int, vault: Address
) -> None:
    assert approval.digest(chain_id, vault) == hashed_by_eth_account(approval.typed_data(chain_id, vault))


def test_a_wallets_signature_over_the_json_recovers_over_the_digest() -> None:
    wallet = Account.from_key(b"\x01" * 32)
    signed = wallet.sign_typed_data(full_message=APPROVAL.typed_data(1, VAULT))

    recovered = Account._recover_hash(APPROVAL.digest(1, VAULT), signature=signed.signature)

    assert recovered == wallet.address


def test_every_field_and_the_domain_change_the_digest() -> None:
    others = [
        PayoutApproval("acct_2", "po_1", APPROVAL.token, APPROVAL.to, 5, 9, 1),
        PayoutApproval("acct_1", "po_2", APPROVAL.token, APPROVAL.to, 5, 9, 1),
        PayoutApproval("acct_1", "po_1", APPROVAL.to, APPROVAL.to, 5, 9, 1),
        PayoutApproval("acct_1", "po_1", APPROVAL.token, APPROVAL.token, 5, 9, 1),
        PayoutApproval("acct_1", "po_1", APPROVAL.token, APPROVAL.to, 6, 9, 1),
        PayoutApproval("acct_1", "po_1", APPROVAL.token, APPROVAL.to, 5, 10, 1),
        PayoutApproval("acct_1", "po_1", APPROVAL.token, APPROVAL.to, 5, 9, 2),
    ]
    digests = {other.digest(1, VAULT) for other in others}
    digests |= {APPROVAL.digest(1, VAULT), APPROVAL.digest(2, VAULT), APPROVAL.digest(1, APPROVAL.to)}

    assert len(digests) == 10


def test_numbers_go_to_wallets_as_decimal_strings() -> None:
    message = PayoutApproval("a", "p", VAULT, VAULT, 2**255, 9, 1).typed_data(1, VAULT)["message"]

    assert (message["amount"], message["expiry"], message["rosterVersion"]) == (str(2**255), "9", "1")
