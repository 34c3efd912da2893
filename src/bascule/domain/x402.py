"""The words of x402, as facilitators and clients spell them (versions 1 and 2, scheme `exact`).

https://github.com/x402-foundation/x402 (specs/x402-specification-v2.md, schemes/exact/scheme_exact_evm.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from bascule.domain.chain import ChainId

SCHEME: Final = "exact"
VERSIONS: Final = (1, 2)
PAYMENT_IDENTIFIER: Final = "payment-identifier"  # the extension
IDENTIFIER = re.compile(r"[a-zA-Z0-9_-]{16,128}")
_CAIP2 = re.compile(r"eip155:([1-9][0-9]{0,17})")

# Version 1 has names of its own for networks; those of chains that we have presets for.
NAMES: Mapping[str, ChainId] = {
    "ethereum": ChainId(1),
    "polygon": ChainId(137),
    "base": ChainId(8453),
    "avalanche": ChainId(43114),
    "avalanche-fuji": ChainId(43113),
    "polygon-amoy": ChainId(80002),
    "base-sepolia": ChainId(84532),
}


class Reason(StrEnum):
    """Why a payment is not valid or not settled. The first ones are x402's own; the last ones are ours."""

    VERSION = "invalid_x402_version"
    SCHEME = "unsupported_scheme"
    NETWORK = "invalid_network"
    NETWORK_MISMATCH = "network_mismatch"
    PAYLOAD = "invalid_payload"
    REQUIREMENTS = "invalid_payment_requirements"
    ASSET = "invalid_exact_evm_eip3009_not_supported"
    DOMAIN_MISSING = "missing_eip712_domain"
    DOMAIN_NAME = "invalid_exact_evm_token_name_mismatch"
    DOMAIN_VERSION = "invalid_exact_evm_token_version_mismatch"
    SIGNATURE = "invalid_exact_evm_payload_signature"
    RECIPIENT = "invalid_exact_evm_payload_recipient_mismatch"
    AMOUNT = "invalid_exact_evm_payload_authorization_value_mismatch"
    VALID_AFTER = "invalid_exact_evm_payload_authorization_valid_after"
    VALID_BEFORE = "invalid_exact_evm_payload_authorization_valid_before"
    NONCE_USED = "invalid_exact_evm_nonce_already_used"
    BALANCE = "invalid_exact_evm_insufficient_balance"
    SIMULATION = "invalid_exact_evm_transaction_simulation_failed"
    PENDING = "settlement_pending"
    PAY_TO = "pay_to_not_yours"
    PAYER = "payer_refused"
    GAS_BUDGET = "gas_budget_spent"
    SMART_WALLET = "smart_wallet_signature_unsupported"


class Refused(Exception):
    """The verdict is no. It is an answer, not an error."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def chain_of(network: str, version: int) -> ChainId:
    """The chain of a network as that version names it. Raises: Refused."""
    if version == 1 and network in NAMES:
        return NAMES[network]
    found = _CAIP2.fullmatch(network)
    if found is None:
        raise Refused(
            Reason.NETWORK, f"{network:.60} is no network of x402 version {version} on an EVM chain."
        )
    return ChainId(int(found[1]))
