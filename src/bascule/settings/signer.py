"""Readers of who may ask the signer, and where: `signer_uids`, `signer_clients` and places of TLS.

As in `settings.parse`, a reader raises ValueError with words that follow the setting's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bascule.domain.chain import Address, checksum, parse_address
from bascule.domain.errors import Rejected
from bascule.settings.parse import between, port, text

ALL = "*"
# RFC 1123, section 2.1: what a DNS name of a certificate may look like; no wildcard, which names nobody.
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
UID_MAX = 2**32 - 2  # uid_t of Linux; its highest value means "no change"


@dataclass(frozen=True, slots=True)
class PlaceSettings:
    """Host and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Whose wallets one client may ask for; wallets: None is all."""

    name: str
    wallets: tuple[Address, ...] | None

    def __str__(self) -> str:
        return f"{self.name}={ALL if self.wallets is None else ','.join(map(checksum, self.wallets))}"


def uids(given: Any) -> tuple[int, ...]:
    """Numbers of users, separated by blanks or commas; one may be a number."""
    words = given if isinstance(given, list) else re.split(r"[\s,]+", str(given).strip())
    read = between(0, UID_MAX)
    return tuple(read(word) for word in words)


def place(given: Any) -> PlaceSettings:
    """`HOST:PORT`, an IPv6 address in brackets."""
    host, separator, number = text(given).rpartition(":")
    if not separator or not host or (":" in host and not re.fullmatch(r"\[[0-9a-fA-F:.]+\]", host)):
        raise ValueError(f"is {given!r}, not HOST:PORT")
    return PlaceSettings(host.strip("[]"), port(number))


def clients(given: Any) -> tuple[ClientSettings, ...]:
    """`NAME=WALLET,WALLET` pairs separated by blanks, or `NAME=*` for every wallet."""
    found = [_client(word) for word in text(given).split()]
    if len({client.name for client in found}) != len(found):
        raise ValueError("names a client twice")
    return tuple(found)


def _client(word: str) -> ClientSettings:
    name, separator, wallets = word.partition("=")
    if not separator or not NAME.fullmatch(name):
        raise ValueError(f"has {word!r}, not NAME=WALLET,WALLET with the DNS name of a certificate")
    if wallets == ALL:
        return ClientSettings(name, None)
    try:
        return ClientSettings(name, tuple(parse_address(wallet) for wallet in wallets.split(",")))
    except Rejected as error:
        raise ValueError(f"names a wallet of {name} that is none: {error.message}") from None
