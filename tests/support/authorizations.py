"""What a customer's wallet and a merchant's x402 server make: requirements, a signature, a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data

from bascule.domain.authorization import STRUCT

_DOMAIN = [
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
]


@dataclass(frozen=True)
class Dollar:
    """A token that takes authorizations. name, version: of its signing domain."""

    chain_id: int
    contract: str
    name: str
    version: str = "1"

    def requirements(self, pay_to: str, amount: int, **changes: Any) -> dict[str, Any]:
        """What a server asks for; amount in base units."""
        return {
            "scheme": "exact",
            "network": f"eip155:{self.chain_id}",
            "asset": self.contract,
            "amount": str(amount),
            "payTo": pay_to,
            "maxTimeoutSeconds": 300,
            "extra": {"name": self.name, "version": self.version},
        } | changes

    def signature(self, key: str, said: dict[str, str]) -> str:
        """Of an authorization, by a key in 0x-hex."""
        message = {
            name: said[name] if kind in ("address", "bytes32") else int(said[name])
            for name, kind in STRUCT.fields
        }
        domain = {
            "name": self.name,
            "version": self.version,
            "chainId": self.chain_id,
            "verifyingContract": self.contract,
        }
        types = {
            "EIP712Domain": [{"name": name, "type": kind} for name, kind in _DOMAIN],
            STRUCT.name: [{"name": name, "type": kind} for name, kind in STRUCT.fields],
        }
        full = {"types": types, "primaryType": STRUCT.name, "domain": domain, "message": message}
        signed = Account.sign_message(encode_typed_data(full_message=full), key)
        return "0x" + bytes(signed.signature).hex()

    def payment(self, key: str, pay_to: str, amount: int, nonce: bytes, until: int) -> dict[str, Any]:
        """A request of a payment that the key's owner signs. until: unix seconds."""
        said = {
            "from": Account.from_key(key).address,
            "to": pay_to,
            "value": str(amount),
            "validAfter": "0",
            "validBefore": str(until),
            "nonce": "0x" + nonce.hex(),
        }
        return request(said, self.signature(key, said), self.requirements(pay_to, amount))


def request(said: dict[str, str], signature: str, required: dict[str, Any]) -> dict[str, Any]:
    """What a server sends its facilitator."""
    inner = {"signature": signature, "authorization": said}
    payload = {"x402Version": 2, "payload": inner, "accepted": required}
    return {"x402Version": 2, "paymentPayload": payload, "paymentRequirements": required}


def in_version_1(asked: dict[str, Any]) -> dict[str, Any]:
    """The same request as servers and clients of the protocol's first version spell it."""
    required = dict(asked["paymentRequirements"])
    required |= {
        "maxAmountRequired": required.pop("amount"),
        "resource": "https://shop.test/weather",
        "description": "The weather.",
        "mimeType": "application/json",
    }
    payload = {
        "x402Version": 1,
        "scheme": required["scheme"],
        "network": required["network"],
        "payload": asked["paymentPayload"]["payload"],
    }
    return {"x402Version": 1, "paymentPayload": payload, "paymentRequirements": required}
