"""`construct_event` takes what the dispatcher signs, by both schemes, and nothing else."""

import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.client import SignatureInvalid, construct_event
from bascule.domain import webhook

NOW = 1_700_000_000
SECRET, OTHER = webhook.new_secret(b"s" * 32), webhook.new_secret(b"o" * 32)
BODY = json.dumps({"id": "evt_1", "type": "payment_intent.succeeded", "text": "Grüße ✓"}).encode()


def standard(*secrets: str, at: int = NOW) -> dict[str, str]:
    return webhook.headers(secrets, "evt_1", at, BODY)


def stripes(secret: str, at: int = NOW) -> dict[str, str]:
    signature = hmac.digest(secret.encode(), b"%d.%b" % (at, BODY), "sha256").hex()
    return {"Bascule-Signature": f"t={at},v1={signature}"}


@pytest.mark.parametrize("headers", [standard(SECRET), standard(OTHER, SECRET), stripes(SECRET)])
def test_signed_delivery_becomes_its_event(headers: dict[str, str]) -> None:
    shouted = {name.upper(): value for name, value in headers.items()}

    for given_headers in (headers, shouted):
        assert construct_event(BODY, given_headers, SECRET, now=NOW) == json.loads(BODY)
    assert construct_event(BODY.decode(), headers, SECRET, now=NOW + 300)["id"] == "evt_1"


@pytest.mark.parametrize(
    ("headers", "secret", "now", "why"),
    [
        (standard(OTHER), SECRET, NOW, "no signature fits"),
        (stripes(OTHER), SECRET, NOW, "no signature fits"),
        (standard(SECRET), SECRET, NOW + 301, "more than 300 s"),
        (stripes(SECRET), SECRET, NOW - 301, "more than 300 s"),
        ({}, SECRET, NOW, "neither"),
        (standard(SECRET) | {"webhook-timestamp": "soon"}, SECRET, NOW, "no number of seconds"),
        ({"bascule-signature": "v1=ab"}, SECRET, NOW, "no number of seconds"),
        (standard(SECRET) | {"webhook-id": "evt_2"}, SECRET, NOW, "no signature fits"),
        (standard(SECRET), "whsec_ä", NOW, "whsec_ and base64"),
    ],
)
def test_delivery_that_is_not_ours_or_not_fresh_is_refused(
    headers: dict[str, str], secret: str, now: int, why: str
) -> None:
    with pytest.raises(SignatureInvalid, match=why):
        construct_event(BODY, headers, secret, now=now)


@given(place=st.integers(0, len(BODY) - 1), flip=st.integers(1, 255))
def test_one_changed_byte_is_refused_by_either_scheme(place: int, flip: int) -> None:
    changed = bytearray(BODY)
    changed[place] ^= flip

    for headers in (standard(SECRET), stripes(SECRET)):
        with pytest.raises(SignatureInvalid):
            construct_event(bytes(changed), headers, SECRET, now=NOW)


@given(st.text(), st.text(), st.text())
def test_rubbish_in_headers_is_refused_and_never_an_accident(
    moment: str, signature: str, secret: str
) -> None:
    for headers in (
        {"webhook-id": "evt_1", "webhook-timestamp": moment, "webhook-signature": signature},
        {"bascule-signature": signature},
    ):
        with pytest.raises(SignatureInvalid):
            construct_event(BODY, headers, secret, now=NOW)
