import pytest

from bascule.domain.errors import BasculeError, Conflict, Forbidden, Halted, NotFound, Rejected, Retryable


def test_a_rejection_carries_code_param_and_next_step() -> None:
    error = Rejected("amount_too_small", "More than zero.", param="amount", next_step="Ask for more.")

    assert str(error) == "More than zero."
    assert (error.code, error.param, error.next_step) == ("amount_too_small", "amount", "Ask for more.")


@pytest.mark.parametrize("kind", [NotFound, Conflict, Forbidden])
def test_every_concrete_rejection_is_the_callers_to_change(kind: type[Rejected]) -> None:
    assert issubclass(kind, Rejected)


def test_the_three_families_are_strangers() -> None:
    families = [Rejected, Retryable, Halted]

    assert all(issubclass(family, BasculeError) for family in families)
    assert not any(issubclass(a, b) for a in families for b in families if a is not b)
