"""Identities of our objects: a prefix that says the kind, and a UUIDv7 that sorts by time.

The 26 characters are lower-case Crockford base 32, whose alphabet is in ASCII order, so text order,
byte order and creation order (to the millisecond) are one. Clock and entropy come in as arguments.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import NewType

from bascule.domain.errors import NotFound

AccountId = NewType("AccountId", str)
IntentId = NewType("IntentId", str)
DepositId = NewType("DepositId", str)
PayoutId = NewType("PayoutId", str)
BatchId = NewType("BatchId", str)
EventId = NewType("EventId", str)
EndpointId = NewType("EndpointId", str)
DeliveryId = NewType("DeliveryId", str)
KeyId = NewType("KeyId", str)
TokenId = NewType("TokenId", str)
BreakId = NewType("BreakId", str)
RunId = NewType("RunId", str)

# RFC 9562 §5.7: 48 bits of unix milliseconds, version 7, variant 0b10.
ENTROPY_BYTES = 10
_VERSION = 7 << 76
_VARIANT = 2 << 62
_ENTROPY_MASK = (1 << 80) - 1 & ~(15 << 76) & ~(3 << 62)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_SPELLED = re.compile(f"[{_ALPHABET}]+")
_AS_PYTHON_COUNTS = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_LENGTH = 26


class Prefix(StrEnum):
    """The kinds of objects that have an identity outside."""

    ACCOUNT = "acct"
    API_KEY = "key"
    AUTHORIZATION = "aut"
    BREAK = "brk"
    CHECKOUT_SESSION = "cs"
    DELIVERY = "dlv"
    DEPOSIT = "dep"
    DESTINATION = "wal"
    EVENT = "evt"
    FILE = "file"
    FLUSH = "fl"
    INVOICE = "in"
    MANDATE = "mnd"
    MEMBER = "mem"
    OPENING = "opn"
    PAYMENT_INTENT = "pi"
    PAYOUT = "po"
    PAYOUT_BATCH = "pob"
    POLICY = "pol"
    QUOTE = "qt"
    RECONCILIATION = "rec"
    REFUND = "re"
    REPORT = "rpt"
    REQUEST = "req"
    SCREENING = "scr"
    SETTLEMENT = "stl"
    TOKEN = "tok"  # noqa: S105 - a prefix, not a secret
    TRANSACTION = "txn"
    WEBHOOK_ENDPOINT = "we"


class InvalidId(NotFound):
    """The text cannot be the id of such an object, so no such object exists."""

    def __init__(self, *, prefix: str, text: object, param: str | None = None) -> None:
        shown = text[:60] if isinstance(text, str) else type(text).__name__
        super().__init__("resource_missing", f"No such {prefix}_ id: {shown!r}.", param=param)
        self.prefix = prefix
        self.text = text


def new(prefix: str, now_ms: int, entropy: bytes) -> str:
    """A fresh id, `<prefix>_` and 26 characters; ids sort by `now_ms`.

    now_ms: unix milliseconds; entropy: exactly 10 unpredictable bytes (74 bits of them are used).
    """
    assert 0 <= now_ms < 1 << 48, "milliseconds outside 48 bits"
    assert len(entropy) == ENTROPY_BYTES, f"{ENTROPY_BYTES} bytes of entropy, not {len(entropy)}"
    value = _VERSION | _VARIANT | int.from_bytes(entropy, "big") & _ENTROPY_MASK
    return f"{prefix}_{_moment(now_ms)}{_letters(value, 80)}"


def earliest(prefix: str, now_ms: int) -> str:
    """What sorts before every id made at `now_ms` or later, and behind every earlier one."""
    return f"{prefix}_{_moment(now_ms)}"


def _letters(value: int, bits: int) -> str:
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(bits - 10, -1, -10)])


@lru_cache(maxsize=16)
def _moment(now_ms: int) -> str:
    """The first ten letters, which ids of one moment share."""
    return _letters(now_ms, 50)


def check(prefix: str, text: object, *, param: str | None = None) -> str:
    """`text` itself, when it is spelled as `new(prefix, …)` spells. Raises: InvalidId."""
    _value(prefix, text, param)
    assert isinstance(text, str)
    return text


def created_ms(text: str) -> int:
    """The unix milliseconds an id was made at. Raises: InvalidId."""
    return _value(text.partition("_")[0], text, None) >> 80


def _value(prefix: str, text: object, param: str | None) -> int:
    if not isinstance(text, str) or len(text) != len(prefix) + 1 + _LENGTH:
        raise InvalidId(prefix=prefix, text=text, param=param)
    if _SPELLED.fullmatch(text, len(prefix) + 1) is None:
        raise InvalidId(prefix=prefix, text=text, param=param)
    value = int(text[-_LENGTH:].translate(_AS_PYTHON_COUNTS), 32)
    marks = value >> 76 & 15, value >> 62 & 3
    if not text.startswith(prefix + "_") or value >> 128 or marks != (7, 2):
        raise InvalidId(prefix=prefix, text=text, param=param)
    return value
