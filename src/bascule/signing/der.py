"""From what a KMS answers to what a transaction carries: DER in, 65 bytes out, checked against the wallet."""

from __future__ import annotations

from coincurve import PublicKey

# SubjectPublicKeyInfo (RFC 5480) of an uncompressed point on secp256k1 (1.3.132.0.10), up to the point.
_SPKI = bytes.fromhex("3056301006072a8648ce3d020106052b8104000a034200")
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1 (SEC 2, 2.4.1)


class NotOurs(ValueError):
    """The answer is not what the key of this wallet can have said; the message says how it is not."""


def point(spki: bytes) -> bytes:
    """The 64 bytes of a secp256k1 public key given as SubjectPublicKeyInfo. Raises: NotOurs."""
    if not spki.startswith(_SPKI) or len(spki) != len(_SPKI) + 65 or spki[len(_SPKI)] != 4:
        raise NotOurs("the public key is not one of secp256k1 in uncompressed form")
    try:
        return PublicKey(spki[len(_SPKI) :]).format(compressed=False)[1:]
    except ValueError:
        raise NotOurs("the public key is no point of secp256k1") from None


def recoverable(der: bytes, digest: bytes, public_key: bytes) -> bytes:
    """r, s (the lower of the two) and parity, whose signer over `digest` is `public_key` (64 bytes).

    A KMS gives either s and no parity; Ethereum takes the low s alone (EIP-2), and recovers by parity.
    Raises: NotOurs when no parity leads to the key: another key, another digest, or a bent answer.
    """
    r, s = _integers(der)
    if not 0 < r < ORDER or not 0 < s < ORDER:
        raise NotOurs("r or s is out of range")
    compact = r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")
    for parity in (b"\x00", b"\x01"):
        if _signer(compact + parity, digest) == public_key:
            return compact + parity
    raise NotOurs("the signature is of another key or of another digest")


def _signer(signature: bytes, digest: bytes) -> bytes | None:
    try:
        found = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except ValueError:  # no point has this r with this parity
        return None
    return found.format(compressed=False)[1:]


def _integers(der: bytes) -> tuple[int, int]:
    """The two positive integers of an ECDSA-Sig-Value (RFC 3279), in its one spelling."""
    r_end = 4 + der[3] if len(der) > 3 else 0
    s_end = r_end + 2 + der[r_end + 1] if len(der) > r_end + 1 else 0
    if der[:1] != b"\x30" or s_end != len(der) or der[1] != len(der) - 2 or der[2] != 2 or der[r_end] != 2:
        raise NotOurs("the signature is not DER of two integers")
    return _positive(der[4:r_end]), _positive(der[r_end + 2 :])


def _positive(octets: bytes) -> int:
    longer_than_needed = len(octets) > 1 and octets[0] == 0 and octets[1] < 0x80
    if not octets or octets[0] >= 0x80 or longer_than_needed:
        raise NotOurs("the signature is not DER of two positive integers")
    return int.from_bytes(octets, "big")
