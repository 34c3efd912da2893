"""What an x402 server asks of its facilitator, in either version; what cannot be read is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bascule.domain.authorization import Authorization
from bascule.domain.chain import Address, ChainId, checksum
from bascule.domain.x402 import (
    IDENTIFIER,
    PAYMENT_IDENTIFIER,
    SCHEME,
    VERSIONS,
    Reason,
    Refused,
    chain_of,
)

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_HEX = re.compile(r"0x([0-9a-fA-F]{2})*")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}")
_RESOURCE_MAX = 2048
_KEYS_SIGNATURE = 65


@dataclass(frozen=True, slots=True)
class Asked:
    """One payment. network: as it was spelled; domain: name and version of the token's, as said."""

    network: str
    chain_id: ChainId
    token: Address
    domain: tuple[str | None, str | None]
    pay_to: Address
    amount: int
    signed: Authorization
    signature: bytes
    identifier: str | None
    resource: str | None


def payer_of(payload: Mapping[str, Any]) -> str | None:
    """The payer that a payload names, to be told back, also where the rest cannot be read."""
    inner = payload.get("payload")
    said = inner.get("authorization") if isinstance(inner, dict) else None
    payer = said.get("from") if isinstance(said, dict) else None
    return checksum(_address(payer)) if isinstance(payer, str) and _ADDRESS.fullmatch(payer) else None


def network_of(payload: Mapping[str, Any], requirements: Mapping[str, Any]) -> str:
    """The network as it was named, to be told back."""
    for said in (requirements.get("network"), payload.get("network")):
        if isinstance(said, str):
            return said[:60]
    return ""


def read(version: int, payload: Mapping[str, Any], requirements: Mapping[str, Any]) -> Asked:
    """The payment. Raises: Refused, the first reason in the order of the design."""
    if version not in VERSIONS or payload.get("x402Version", version) != version:
        raise Refused(Reason.VERSION, "The versions of payload and request are 1 or 2, and the same.")
    accepted = _mapping(payload.get("accepted"), "paymentPayload.accepted") if version == 2 else payload
    for each in (accepted, requirements):
        if each.get("scheme") != SCHEME:
            raise Refused(Reason.SCHEME, f"The only scheme is {SCHEME}.")
    network = _text(requirements.get("network"), "network")
    if accepted.get("network") != network:
        raise Refused(Reason.NETWORK_MISMATCH, "Payload and requirements name different networks.")
    if version == 2:
        _require_same(accepted, requirements)
    inner = _mapping(payload.get("payload"), "payload")
    extra = _mapping(requirements.get("extra") or {}, "extra")
    signature = _bytes(inner.get("signature"), "signature")
    said = _mapping(inner.get("authorization"), "authorization")
    asked = Asked(
        network=network,
        chain_id=chain_of(network, version),
        token=_address(requirements.get("asset")),
        domain=(extra.get("name"), extra.get("version")),
        pay_to=_address(requirements.get("payTo")),
        amount=_number(requirements.get("amount" if version == 2 else "maxAmountRequired"), "amount"),
        signed=_signed(said),
        signature=signature,
        identifier=_identifier(payload.get("extensions")),
        resource=_resource(payload.get("resource") or requirements.get("resource")),
    )
    if len(signature) != _KEYS_SIGNATURE:
        raise Refused(
            Reason.SMART_WALLET,
            "A signature is the 65 bytes of a key; smart wallets' (ERC-1271, ERC-6492) are not taken.",
        )
    return asked


def _require_same(accepted: Mapping[str, Any], requirements: Mapping[str, Any]) -> None:
    """What the payer accepted is what the server requires, however addresses are spelled."""
    for name in ("asset", "payTo", "amount"):
        here, there = accepted.get(name), requirements.get(name)
        if not isinstance(here, str) or not isinstance(there, str) or here.lower() != there.lower():
            raise Refused(Reason.REQUIREMENTS, f"The payer accepted another {name} than is required.")


def _signed(said: Mapping[str, Any]) -> Authorization:
    nonce = _bytes(said.get("nonce"), "nonce")
    if len(nonce) != 32:
        raise Refused(Reason.PAYLOAD, "authorization.nonce is not 32 bytes.")
    return Authorization(
        payer=_address(said.get("from")),
        pay_to=_address(said.get("to")),
        amount=_number(said.get("value"), "value"),
        valid_after=_number(said.get("validAfter"), "validAfter"),
        valid_before=_number(said.get("validBefore"), "validBefore"),
        nonce=nonce,
    )


def _identifier(extensions: Any) -> str | None:
    """The id of `payment-identifier`, if it is given. Raises: Refused."""
    given = extensions.get(PAYMENT_IDENTIFIER) if isinstance(extensions, dict) else None
    info = given.get("info") if isinstance(given, dict) else None
    id = info.get("id") if isinstance(info, dict) else None
    if id is None:
        return None
    if not isinstance(id, str) or not IDENTIFIER.fullmatch(id):
        raise Refused(
            Reason.PAYLOAD, "A payment identifier has 16 to 128 letters, digits, hyphens, underscores."
        )
    return id


def _resource(given: Any) -> str | None:
    """What is paid for, by its URL."""
    url = given.get("url") if isinstance(given, dict) else given
    return url[:_RESOURCE_MAX].replace("\x00", "") if isinstance(url, str) and url else None


def _mapping(given: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise Refused(Reason.PAYLOAD, f"{name} is missing, or no object.")
    return given


def _text(given: Any, name: str) -> str:
    if not isinstance(given, str):
        raise Refused(Reason.PAYLOAD, f"{name} is missing, or no text.")
    return given


def _address(given: Any) -> Address:
    if not isinstance(given, str) or not _ADDRESS.fullmatch(given):
        raise Refused(Reason.PAYLOAD, f"{given!r:.60} is no address.")
    return Address(bytes.fromhex(given[2:]))


def _bytes(given: Any, name: str) -> bytes:
    if not isinstance(given, str) or not _HEX.fullmatch(given):
        raise Refused(Reason.PAYLOAD, f"{name} is not bytes in 0x-hex.")
    return bytes.fromhex(given[2:])


def _number(given: Any, name: str) -> int:
    """An integer as x402 spells it: a decimal string. Raises: Refused."""
    if not isinstance(given, str) or not _DECIMAL.fullmatch(given) or int(given) >= 2**256:
        raise Refused(Reason.PAYLOAD, f"{name} is not a whole number in a string.")
    return int(given)
