"""What an operator can stop at once: names of scopes, as the signer and the bridge both keep them."""

from __future__ import annotations

from bascule.domain.chain import Address, ChainId

ALL = "all"


def chain(chain_id: ChainId) -> str:
    """Everything that moves money on a chain."""
    return f"chain:{chain_id}"


def token(chain_id: ChainId, contract: Address) -> str:
    """Everything that moves one token; the native coin is the zero address."""
    return f"token:{chain_id}:0x{contract.hex()}"


def wallet(address: Address) -> str:
    """Everything one wallet signs, on every chain, but fills of its own nonces."""
    return f"wallet:0x{address.hex()}"


def destination(address: Address) -> str:
    """Payments to one address, on every chain and in every token."""
    return f"destination:0x{address.hex()}"


def mandate(mandate_id: str) -> str:
    """Everything that goes out under one mandate."""
    return f"mandate:{mandate_id}"


def money(chain_id: ChainId, contract: Address) -> tuple[str, ...]:
    """The scopes a movement of this token falls under, the widest first."""
    return ALL, chain(chain_id), token(chain_id, contract)
