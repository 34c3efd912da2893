"""A quote: how much of a token a fiat price is, at a rate that stands for a while."""

from bascule.domain.errors import Conflict, Rejected
from bascule.domain.money import DISPLAY_DIGITS, SCALE, Money
from bascule.domain.rates import ONE

LOCK_MIN_S, LOCK_S, LOCK_MAX_S = 30, 900, 3600
FIAT_DIGITS = 2
_LARGEST = 10 ** (18 + SCALE)  # what an amount may be: 18 digits before the point


def tokens_due(fiat: Money, price: int, currency: str, digits: int = DISPLAY_DIGITS) -> Money:
    """What a fiat amount costs in tokens, rounded up to `digits` fraction digits.

    price: 10^-18 of the fiat currency for one token. At this price the result is worth at least what was
    asked for, and less than one last digit more. Raises: Rejected `amount_too_large`.
    """
    unit = 10 ** (SCALE - digits)
    due = -(-fiat.units * ONE // (price * unit)) * unit
    if due >= _LARGEST:
        raise Rejected("amount_too_large", "At most 18 digits before the point are allowed.", param="amount")
    return Money(due, currency)


def require_usable(*, expired: bool, payment_intent: str | None) -> None:
    """Raises: Conflict `quote_expired` or `quote_used`."""
    if payment_intent is not None:
        raise Conflict(
            "quote_used",
            f"The quote is the price of {payment_intent} already.",
            param="quote",
            next_step="Ask for another quote.",
        )
    if expired:
        raise Conflict(
            "quote_expired", "The quote's rate is not locked any more.", param="quote",
            next_step="Ask for another quote.",
        )  # fmt: skip
