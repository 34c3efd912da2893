"""Whose money an arrival is."""

from datetime import UTC, datetime

import pytest

from bascule.domain.chain import Address, Hash
from bascule.services.arrivals import kind_of
from bascule.storage.transfers import Arrival, Transfer

SENT = Transfer(
    Hash(bytes(32)),
    0,
    1,
    Hash(bytes(32)),
    Address(b"\x07" * 20),
    Address(b"\x01" * 20),
    Address(b"\x02" * 20),
    5,
    0,
)


@pytest.mark.parametrize(
    ("own_kind", "from_treasury", "accepted", "kind"),
    [
        (None, False, True, "payment"),
        (None, True, True, "payment"),
        (None, False, False, "payment"),
        ("vault", True, True, "capital"),
        ("collector", True, True, "capital"),
        ("wallet", True, True, "unsolicited"),
        ("vault", False, True, "unsolicited"),
        ("vault", True, False, "unsolicited"),
    ],
)
def test_money_is_a_payers_or_capital_or_nobodys(
    own_kind: str | None, from_treasury: bool, accepted: bool, kind: str
) -> None:
    arrival = Arrival(
        transfer=SENT,
        block_time=datetime.now(UTC),
        account_id="acct_1",
        livemode=False,
        intent_id=None,
        own_kind=own_kind,
        token_id="tok_1" if accepted else None,
        accepted=accepted,
        from_treasury=from_treasury,
        deposit_id=None,
        deposit_state=None,
    )

    assert kind_of(arrival) == kind
