"""A refused payout's code is what the batch's own logs say, and the general one where they do not."""

import pytest

from bascule.domain.chain import Address
from bascule.domain.payout import FAILURES, FailureCode
from bascule.domain.policy import Rule
from bascule.entrypoints.api.params import PayoutFailure
from bascule.services.refused import failure_code
from tests.chain.test_issuer_words import PAUSED, reverted

PAYEE, VAULT = Address(b"\x0a" * 20), Address(b"\x01" * 20)
EITHER = reverted("Error(string)", "Blacklistable: account is blacklisted")


@pytest.mark.parametrize(
    ("answer", "paid", "code"),
    [
        (PAUSED, False, FailureCode.TOKEN_PAUSED),
        (PAUSED, True, FailureCode.REFUSED_BY_TOKEN),
        (EITHER, True, FailureCode.DESTINATION_FROZEN),
        (EITHER, False, FailureCode.REFUSED_BY_TOKEN),
        (reverted("AccountBlacklisted(address)", PAYEE), False, FailureCode.DESTINATION_FROZEN),
        (reverted("AccountBlacklisted(address)", VAULT), False, FailureCode.REFUSED_BY_TOKEN),
        (b"", True, FailureCode.REFUSED_BY_TOKEN),
    ],
)
def test_payee_is_called_frozen_or_the_token_paused_only_where_the_batch_does_not_disprove_it(
    answer: bytes, paid: bool, code: FailureCode
) -> None:
    """What was paid beside it proves that the vault is not frozen, and that not all transfers are paused."""
    assert failure_code({7: answer, 8: b"other"}, 7, PAYEE, paid=paid) is code


def test_answer_of_another_payout_says_nothing_of_this_one() -> None:
    assert failure_code({8: PAUSED}, 7, PAYEE, paid=True) is FailureCode.REFUSED_BY_TOKEN


def test_every_rule_that_can_deny_a_payout_asked_for_earlier_has_its_code() -> None:
    """Without a policy it is not decided anew; velocity was settled when it was asked for."""
    never = {Rule.NO_POLICY, Rule.VELOCITY, Rule.MANDATE, Rule.WITHIN_LIMITS}
    assert {FailureCode(rule.code) for rule in set(Rule) - never} == {
        FailureCode.DESTINATION_DENYLISTED,
        FailureCode.DESTINATION_NOT_ALLOWED,
        FailureCode.DESTINATION_IN_COOLOFF,
        FailureCode.LIMIT_EXCEEDED,
        FailureCode.APPROVERS_MISSING,
    }


def test_every_code_says_what_happened_and_what_to_do_and_is_in_the_document() -> None:
    assert tuple(FailureCode) == tuple(FAILURES) == PayoutFailure.__args__
