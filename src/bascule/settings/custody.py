"""Where keys lie, and who may ask the signer to use them."""

# ruff: noqa: RUF009 - `value` is how a setting is declared

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bascule.settings import parse, signer
from bascule.settings.value import value


@dataclass(frozen=True)
class Custody:
    """Where keys lie, and who may ask the signer to use them."""

    signer_socket: Path | None = value(
        None, parse.path, unit="path, at most 100 bytes",
        meaning="Unix socket between submitter and signer", example="/run/bascule/signer.sock",
    )  # fmt: skip
    signer_uids: tuple[int, ...] = value(
        (), signer.uids, unit="user numbers, several separated by blanks",
        meaning="users that may ask at the signer's socket; none is the signer's own user alone."
        " With others the socket's file is open to its group too",
        example="1001",
    )  # fmt: skip
    signer_listen: signer.PlaceSettings | None = value(
        None, signer.place, unit="HOST:PORT",
        meaning="where the signer listens over TLS 1.3, beside its socket or instead of it",
        example="10.0.0.7:9443",
    )  # fmt: skip
    signer_address: signer.PlaceSettings | None = value(
        None, signer.place, unit="HOST:PORT",
        meaning="where a submitter asks a signer over TLS 1.3, instead of a socket;"
        " the signer's certificate has this host's name",
        example="signer.internal:9443",
    )  # fmt: skip
    signer_clients: tuple[signer.ClientSettings, ...] = value(
        (), signer.clients, unit="NAME=WALLET,WALLET, several separated by blanks",
        meaning="for which lanes' wallets a client may ask over TLS, by the one DNS name in its certificate;"
        " NAME=* is every wallet",
        example="submitter-1=0x5Be2e3B9C4e30b7e2b4dd1c1d0a5d43e0a6d2F10",
    )  # fmt: skip
    signer_bumps_frozen: bool = value(
        False, parse.boolean, unit="true or false",
        meaning="whether bytes that are out get dearer ones while their money is frozen;"
        " a frozen wallet gets none",
        example="true",
    )  # fmt: skip
    signer_tls_certificate: Path | None = value(
        None, parse.path, unit="path of a PEM file",
        meaning="this process's own certificate between submitter and signer, with those that vouch for it",
        example="/etc/bascule/tls/certificate.pem",
    )  # fmt: skip
    signer_tls_key: Path | None = value(
        None, parse.path, unit="path of a PEM file", meaning="the private key of that certificate",
        example="/etc/bascule/tls/key.pem",
    )  # fmt: skip
    signer_tls_ca: Path | None = value(
        None, parse.path, unit="path of a PEM file",
        meaning="the authority that signed the certificate of the other side, of nobody else",
        example="/etc/bascule/tls/ca.pem",
    )  # fmt: skip
    signer_keystore: Path | None = value(
        None, parse.path, unit="path", example="/etc/bascule/lane.json",
        meaning="file with the encrypted key of the lane wallet, or a folder of them, one *.json a lane",
    )  # fmt: skip
    signer_keystore_password: str | None = value(
        None, parse.text, unit="text", secret=True,
        meaning="opens the keystore", example="the content of a mounted secret",
    )  # fmt: skip
    signer_kms_key_id: str | None = value(
        None, parse.text, unit="key id, ARN or alias",
        meaning="the lane wallet's key in AWS KMS, instead of a keystore",
        example="alias/bascule-lane",
    )  # fmt: skip
    sweeper_keystore: Path | None = value(
        None, parse.path, unit="path",
        meaning="file with the encrypted key of the sweeper, where the signer runs; none: nothing is flushed",
        example="/etc/bascule/sweeper.json",
    )  # fmt: skip
    sweeper_keystore_password: str | None = value(
        None, parse.text, unit="text", secret=True,
        meaning="opens the sweeper's keystore", example="the content of a mounted secret",
    )  # fmt: skip
    sweeper_kms_key_id: str | None = value(
        None, parse.text, unit="key id, ARN or alias",
        meaning="the sweeper's key in AWS KMS, instead of a keystore", example="alias/bascule-sweeper",
    )  # fmt: skip
    canceller_keystore: Path | None = value(
        None, parse.path, unit="path",
        meaning="file with the encrypted key of the vault's canceller; none: payouts in transit stay so",
        example="/etc/bascule/canceller.json",
    )  # fmt: skip
    canceller_keystore_password: str | None = value(
        None, parse.text, unit="text", secret=True,
        meaning="opens the canceller's keystore", example="the content of a mounted secret",
    )  # fmt: skip
    canceller_kms_key_id: str | None = value(
        None, parse.text, unit="key id, ARN or alias",
        meaning="the canceller's key in AWS KMS, instead of a keystore", example="alias/bascule-canceller",
    )  # fmt: skip
