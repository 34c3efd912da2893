import json
from collections.abc import Callable
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.domain.authority import LimitsUpdate, Request, RosterUpdate, read
from bascule.domain.chain import ZERO_ADDRESS, Address
from bascule.domain.errors import Rejected
from bascule.domain.hashing import keccak

addresses = st.binary(min_size=20, max_size=20).map(Address).filter(lambda each: each != ZERO_ADDRESS)
uint256 = st.integers(0, 2**256 - 1)
versions = st.integers(1, 2**31 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
chains = st.integers(1, 2**53)
rosters = st.lists(addresses, min_size=1, max_size=6, unique=True).flatmap(
    lambda members: st.builds(
        RosterUpdate, texts, versions, st.integers(1, len(members)), st.just(tuple(members))
    )
)
limits = st.builds(LimitsUpdate, addresses, versions, uint256, uint256, uint256, st.integers(0, 2**63 - 1))
VAULT = Address(b"\x77" * 20)
ROSTER = Request(RosterUpdate("acct_1", 2, 1, (Address(b"\x11" * 20), VAULT)), 1, VAULT)
LIMITS = Request(LimitsUpdate(VAULT, 2, 10, 20, 30, 40), 1, VAULT)


@settings(max_examples=50)
@given(rosters | limits, chains, addresses)
def test_an_update_hashes_as_eth_account_hashes_its_json_and_is_read_back_whole(
    update: RosterUpdate | LimitsUpdate, chain_id: int, vault: Address
) -> None:
    asked = Request(update, chain_id, vault)
    over_the_wire = json.loads(json.dumps(asked.typed_data()))

    message = encode_typed_data(full_message=over_the_wire)

    assert asked.digest() == keccak(b"\x19" + message.version + message.header + message.body)
    assert read(over_the_wire) == asked


BENT: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another kind": lambda typed: typed.update(primaryType="PayoutApproval"),
    "no kind": lambda typed: typed.pop("primaryType"),
    "no message": lambda typed: typed.pop("message"),
    "a field too many": lambda typed: typed["message"].update(extra="1"),
    "a field too few": lambda typed: typed["message"].pop("version"),
    "a number that is no text": lambda typed: typed["message"].update(version=2),
    "a number spelled otherwise": lambda typed: typed["message"].update(version="02"),
    "a number below zero": lambda typed: typed["message"].update(version="-1"),
    "version zero": lambda typed: typed["message"].update(version="0"),
    "a version beyond counting": lambda typed: typed["message"].update(version=str(2**31)),
    "a number beyond uint256": lambda typed: typed["message"].update(version=str(2**256)),
    "other types than shown": lambda typed: typed["types"].clear(),
    "another name": lambda typed: typed["domain"].update(name="Basculle"),
    "a chain that is none": lambda typed: typed["domain"].update(chainId=0),
    "a vault in small letters": lambda typed: typed["domain"].update(verifyingContract="0x" + "ab" * 20),
}


@pytest.mark.parametrize("asked", [ROSTER, LIMITS], ids=["roster", "limits"])
@pytest.mark.parametrize("bend", BENT.values(), ids=BENT.keys())
def test_typed_data_that_is_not_exactly_ours_is_refused(
    asked: Request, bend: Callable[[dict[str, Any]], Any]
) -> None:
    typed = json.loads(json.dumps(asked.typed_data()))
    bend(typed)

    with pytest.raises(Rejected) as refused:
        read(typed)

    assert refused.value.code == "update_malformed"


def test_the_order_of_approvers_makes_no_difference() -> None:
    one, other = Address(b"\x01" * 20), Address(b"\x02" * 20)

    assert RosterUpdate("a", 1, 1, (one, other)).digest(1, VAULT) == RosterUpdate(
        "a", 1, 1, (other, one)
    ).digest(1, VAULT)


@pytest.mark.parametrize(
    ("threshold", "approvers"), [(0, (VAULT,)), (2, (VAULT,)), (1, (VAULT, VAULT)), (1, ())]
)
def test_a_roster_that_could_never_agree_is_refused(threshold: int, approvers: tuple[Address, ...]) -> None:
    with pytest.raises(Rejected) as refused:
        RosterUpdate("acct_1", 1, threshold, approvers)

    assert refused.value.code == "roster_invalid"
