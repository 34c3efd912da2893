"""Webhooks as a receiver checks them: Standard Webhooks, or Stripe's scheme where an endpoint asks for it."""

from __future__ import annotations

import hmac
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import cast

from bascule.client.errors import SignatureInvalid
from bascule.client.objects import Event

TOLERANCE_S = 300
_PREFIX = "whsec_"


def construct_event(
    payload: bytes | str,
    headers: Mapping[str, str],
    secret: str,
    tolerance: float = TOLERANCE_S,
    now: float | None = None,
) -> Event:
    """The event in a delivery that is ours and fresh. Raises: SignatureInvalid.

    payload: the raw body, before any JSON parsing; headers: of the request, names in any case; secret: as it
    was shown, `whsec_…`; tolerance: seconds between its clock and ours; now: Unix seconds, else the clock's.
    """
    body = payload.encode() if isinstance(payload, str) else payload
    given = {name.lower(): value for name, value in headers.items()}
    if "webhook-signature" in given:
        sent_at, expected, found = _standard(given, secret, body)
    elif "bascule-signature" in given:
        sent_at, expected, found = _stripes(given["bascule-signature"], secret, body)
    else:
        raise SignatureInvalid("the request carries neither Webhook-Signature nor Bascule-Signature")
    if not any(hmac.compare_digest(expected, each.encode()) for each in found):
        raise SignatureInvalid(
            "no signature fits: not ours, changed on its way, or another endpoint's secret"
        )
    if abs((time.time() if now is None else now) - sent_at) > tolerance:
        raise SignatureInvalid(f"signed more than {tolerance:g} s from now: a replay, or a clock is wrong")
    return cast(Event, json.loads(body))


def _standard(given: Mapping[str, str], secret: str, body: bytes) -> tuple[int, bytes, list[str]]:
    moment = given.get("webhook-timestamp", "")
    signed = b"%b.%b.%b" % (given.get("webhook-id", "").encode(), moment.encode(), body)
    try:
        key = b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raise SignatureInvalid("the secret is not one of ours: whsec_ and base64") from None
    expected = b64encode(hmac.digest(key, signed, "sha256"))
    entries = [each.partition(",") for each in given["webhook-signature"].split()]
    return _seconds(moment), expected, [value for version, _, value in entries if version == "v1"]


def _stripes(header: str, secret: str, body: bytes) -> tuple[int, bytes, list[str]]:
    parts = [each.strip().partition("=") for each in header.split(",")]
    moment = next((value for name, _, value in parts if name == "t"), "")
    expected = hmac.digest(secret.encode(), b"%b.%b" % (moment.encode(), body), "sha256").hex().encode()
    return _seconds(moment), expected, [value for name, _, value in parts if name == "v1"]


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise SignatureInvalid("the time of signing is missing or no number of seconds")
    return int(text)
