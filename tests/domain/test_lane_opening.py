"""What the signer alone says of a lane is told apart from what the chain shows, which anybody asks again."""

import pytest

from bascule.domain.chain import Hash
from bascule.domain.lane_opening import (
    OF_SIGNER,
    Given,
    Marks,
    Rows,
    Seen,
    unknown_to_rows,
    unlike_signer,
)

GIVEN = Given(next_nonce=3, signed_nonce=2, epoch=5)


@pytest.mark.parametrize("marks", [Marks(6, 2), Marks(5, 3), Marks(5, 1)])
def test_every_reason_of_the_signers_begins_as_such(marks: Marks) -> None:
    why = unlike_signer(GIVEN, marks)
    assert why is not None
    assert why.startswith(OF_SIGNER)
    assert unlike_signer(GIVEN, Marks(5, 2)) is None


@pytest.mark.parametrize("seen", [Seen(4, Hash(bytes(32))), Seen(3, Hash(b"\x01" * 32)), Seen(3, None)])
def test_no_reason_of_the_chains_does(seen: Seen) -> None:
    why = unknown_to_rows(Rows(3, frozenset({Hash(bytes(32))})), seen)
    assert why is not None
    assert not why.startswith(OF_SIGNER)
