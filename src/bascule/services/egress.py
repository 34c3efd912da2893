"""Which addresses a merchant's URL may lead us to: the public internet, nothing of ours.

`ipaddress.is_global` is not enough: it calls translated and tunnelled forms of private addresses global,
so the ranges are listed
(RFC 6890 and its successors, RFC 3056, RFC 4380, RFC 9637). Of IPv6 only 2000::/3 is given out (RFC 4291
§2.4): all else is ours, another form of an IPv4 address, or of a network that overlays the internet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from bascule.domain.errors import Rejected

FORBIDDEN = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
         "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/3",
        "::/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "4000::/2", "8000::/1",
    )
)  # fmt: skip
LOOPBACK = tuple(ip_network(text) for text in ("127.0.0.0/8", "::1/128"))
LOCAL_NAMES = frozenset({"localhost", "metadata", "metadata.google.internal", "instance-data"})
LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa")
PORTS = frozenset({443, 8443})
URL_MAX = 2_000


def forbidden_address(text: str) -> bool:
    """Whether an IP address is not a public one; text that is no address is forbidden too."""
    try:
        found = ip_address(text.split("%", 1)[0])
    except ValueError:
        return True
    return any(found in network for network in FORBIDDEN if network.version == found.version)


def is_loopback(text: str) -> bool:
    """Whether an IP address is this machine's own, and nobody else's."""
    try:
        found = ip_address(text.split("%", 1)[0])
    except ValueError:
        return False
    return any(found in network for network in LOOPBACK if network.version == found.version)


@dataclass(frozen=True)
class EgressRules:
    """allow_local: plain http, any port and loopback are fine for test-mode endpoints (dev only).

    The rest of the private network, a cloud's metadata address above all, stays out of reach even then.
    """

    allow_local: bool = False

    def check(self, url: str, *, livemode: bool, param: str | None = "url") -> None:
        """Refuses a URL we would never call. Raises: Rejected `webhook_url_forbidden`."""
        reason = _why_not(url, local=self.allows_local(livemode))
        if reason:
            raise Rejected("webhook_url_forbidden", reason, param=param, next_step=_NEXT_STEP)

    def allows_local(self, livemode: bool) -> bool:
        """Whether an endpoint of this mode may be on this machine."""
        return self.allow_local and not livemode


_NEXT_STEP = "Give a public https:// address that your own server answers."


@lru_cache(maxsize=4_096)  # each send asks again
def _why_not(url: str, *, local: bool) -> str | None:
    parts = _split(url)
    if parts is None or not parts.hostname:
        return "The URL is not well formed."
    if parts.username is not None or parts.fragment:
        return "The URL must not carry credentials or a fragment."
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        return "The URL must begin with https://."
    if local and _is_this_machine(parts.hostname):
        return None
    if not local and (parts.port or 443) not in PORTS:
        return "The URL's port must be 443 or 8443."
    return _why_not_host(parts.hostname)


def _split(url: str) -> SplitResult | None:
    if len(url) > URL_MAX or not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_this_machine(host: str) -> bool:
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost") or is_loopback(name)


def _why_not_host(host: str) -> str | None:
    name = host.rstrip(".").lower()
    if name in LOCAL_NAMES or name.endswith(LOCAL_SUFFIXES):
        return "The URL leads to a name that is not public."
    if is_address(name):
        return "The URL leads to an address that is not public." if forbidden_address(name) else None
    if "." not in name or name.rsplit(".", 1)[1].isdigit() or name.rsplit(".", 1)[1].startswith("0x"):
        return "The URL's host is not a public name."
    return None


def is_address(host: str) -> bool:
    """Whether a URL's host is an IP address rather than a name."""
    try:
        return isinstance(ip_address(host), IPv4Address | IPv6Address)
    except ValueError:
        return False
