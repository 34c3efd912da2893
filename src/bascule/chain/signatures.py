"""Who signed a digest: recovery of secp256k1 signatures in the one form we accept."""

from __future__ import annotations

from coincurve import PublicKey

from bascule.domain.chain import Address
from bascule.domain.errors import Rejected
from bascule.domain.hashing import keccak

# Half of the group order: of the two values of s only the lower is accepted (EIP-2), so that one approval
# has one spelling.
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def recover(digest: bytes, signature: bytes) -> Address:
    """The address whose key signed `digest`.

    signature: 65 bytes r, s, v with v of 27 or 28 (0 or 1 as well) and s in the lower half.
    Raises: Rejected `signature_invalid`.
    """
    if len(signature) != 65:
        raise _invalid(f"A signature has 65 bytes, not {len(signature)}.")
    parity = signature[64] - 27 if signature[64] >= 27 else signature[64]
    if parity not in (0, 1):
        raise _invalid("The last byte of a signature is 27 or 28.")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise _invalid("The s of a signature must be in the lower half of its range.")
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + bytes([parity]), digest, hasher=None)
    except Exception:  # libsecp256k1 refuses in bare exceptions of several types
        raise _invalid("The signature is not one of any key.") from None
    return Address(keccak(key.format(compressed=False)[1:])[12:])


def _invalid(message: str) -> Rejected:
    return Rejected("signature_invalid", message, param="signature")
