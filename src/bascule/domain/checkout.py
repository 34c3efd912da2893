"""A checkout session: the page of one payment intent, whose state is told in the words of a checkout."""

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from bascule.domain.errors import Rejected
from bascule.domain.payment_intent import IntentState

SESSION_IN_URL: Final = "{CHECKOUT_SESSION_ID}"  # what stands for the session's id in a success_url


class CheckoutStatus(StrEnum):
    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"


# Expired is said once no money can complete it any more, never while late money still may.
STATUS_OF: Final[Mapping[IntentState, CheckoutStatus]] = {
    IntentState.REQUIRES_ACTION: CheckoutStatus.OPEN,
    IntentState.PROCESSING: CheckoutStatus.OPEN,
    IntentState.SUCCEEDED: CheckoutStatus.COMPLETE,
    IntentState.CANCELED: CheckoutStatus.EXPIRED,
}


def read_return_url(url: str, *, livemode: bool, param: str) -> str:
    """`url` itself, when a payer's browser may be sent there. Raises: Rejected `return_url_forbidden`.

    https anywhere; http only in test mode and to the payer's own machine.
    """
    reason = _why_not(url, livemode=livemode)
    if reason is not None:
        raise Rejected(
            "return_url_forbidden",
            reason,
            param=param,
            next_step="Give an https URL; in test mode http://localhost is fine too.",
        )
    return url


def _why_not(url: str, *, livemode: bool) -> str | None:
    if not url.isascii() or not url.isprintable() or any(mark in url for mark in ' \\"<>'):
        return "The URL has characters that must be written as %XX."
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "The URL is not well formed."
    if not host:
        return "The URL names no host."
    if parts.username is not None or parts.password is not None:
        return "The URL carries a name or a password."
    if parts.scheme == "https" or (parts.scheme == "http" and not livemode and _is_loopback(host)):
        return None
    return "Payers are sent to https URLs only."


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
