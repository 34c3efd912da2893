"""Every signature a key service can give becomes one that Ethereum takes; anything else is refused."""

from __future__ import annotations

import hashlib

import pytest
from coincurve import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bascule.signing.der import ORDER, NotOurs, point, recoverable
from tests.support.kms import SPKI, der, signed

SECRET = b"\x11" * 32
KEY = PrivateKey(SECRET)
POINT = KEY.public_key.format(compressed=False)[1:]


def digest(n: int) -> bytes:
    return hashlib.sha256(n.to_bytes(4, "big")).digest()


@pytest.mark.parametrize("high", [False, True])
def test_every_signature_comes_out_as_the_library_makes_it(high: bool) -> None:
    """Every 128th or so has r or s shorter than 32 bytes; ten thousand are run beside the key service."""
    short = 0
    for n in range(1_500):
        answer = signed(SECRET, digest(n), high=high)
        short += len(answer) < (71 if high else 70)
        assert recoverable(answer, digest(n), POINT) == KEY.sign_recoverable(digest(n), hasher=None)
    assert short > 3, "r or s shorter than 32 bytes must be among them"


def test_public_key_is_read_from_its_info() -> None:
    assert point(SPKI + b"\x04" + POINT) == POINT


@pytest.mark.parametrize(
    "spki",
    [
        pytest.param(b"", id="empty"),
        pytest.param(SPKI + b"\x04" + POINT[:-1], id="cut short"),
        pytest.param(SPKI + b"\x04" + POINT + b"\x00", id="too long"),
        pytest.param(SPKI + b"\x02" + POINT, id="compressed mark"),
        pytest.param(SPKI.replace(b"\x81\x04\x00\x0a", b"\x81\x04\x00\x22") + b"\x04" + POINT, id="curve"),
        pytest.param(SPKI + b"\x04" + b"\x01" * 64, id="off the curve"),
    ],
)
def test_other_public_keys_are_refused(spki: bytes) -> None:
    with pytest.raises(NotOurs):
        point(spki)


GOOD = signed(SECRET, digest(1), high=False)
R, S = (int.from_bytes(KEY.sign_recoverable(digest(1), hasher=None)[a : a + 32], "big") for a in (0, 32))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(GOOD + b"\x00", id="a byte more"),
        pytest.param(der(0, S), id="r is zero"),
        pytest.param(der(R, 0), id="s is zero"),
        pytest.param(der(ORDER, S), id="r is the order"),
        pytest.param(der(R, ORDER), id="s is the order"),
        pytest.param(der(R, ORDER + S), id="s beyond the order"),
        pytest.param(der(R + 1, S), id="another r"),
        pytest.param(b"\x31" + GOOD[1:], id="not a sequence"),
        pytest.param(GOOD[:2] + b"\x03" + GOOD[3:], id="not an integer"),
    ],
)
def test_bent_signatures_are_refused(answer: bytes) -> None:
    with pytest.raises(NotOurs):
        recoverable(answer, digest(1), POINT)


@given(st.binary(max_size=80))
def test_junk_never_ends_in_another_error(junk: bytes) -> None:
    with pytest.raises(NotOurs):
        recoverable(junk, digest(1), POINT)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_bent_byte_is_believed(place: int, flip: int) -> None:
    bent = bytes([*GOOD[:place], GOOD[place] ^ flip, *GOOD[place + 1 :]])
    try:
        assert recoverable(bent, digest(1), POINT)[:64] == KEY.sign_recoverable(digest(1), hasher=None)[:64]
    except NotOurs:
        return
    raise AssertionError("a bent signature was believed")
