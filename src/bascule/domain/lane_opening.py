"""Whether a lane's rows are all there is: chain and signer must not know of anything that they do not.

A database from an older backup has forgotten nonces, batches and epochs. Chain and signer remember them.
"""

from __future__ import annotations

from dataclasses import dataclass

from bascule.domain.chain import Hash

OF_SIGNER = "the signer"  # how each reason begins that a submitter alone hears


@dataclass(frozen=True, slots=True)
class Rows:
    """What our rows say a lane did on chain. next_nonce: the first never given away; heads: those the vault's

    lane may have, the last final one and the one the unfinished batch leads to; empty without a vault.
    """

    next_nonce: int
    heads: frozenset[Hash]


@dataclass(frozen=True, slots=True)
class Given:
    """What our rows say the signer was asked for. next_nonce: the first never given away; signed_nonce: the
    highest of which bytes are kept, -1 for none; epoch: of the lease.
    """

    next_nonce: int
    signed_nonce: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What one node says. nonces: the wallet's transactions, those that wait too; head: the lane's."""

    nonces: int
    head: Hash | None


@dataclass(frozen=True, slots=True)
class Marks:
    """What the signer remembers of the wallet: the highest epoch and nonce it ever answered for; -1: none."""

    epoch: int
    nonce: int


def unknown_to_rows(rows: Rows, seen: Seen) -> str | None:
    """What a node knows and the rows do not; None when nothing."""
    if seen.nonces > rows.next_nonce:
        return (
            f"the chain counts {seen.nonces} transactions of the wallet, of which {rows.next_nonce} are known"
        )
    if rows.heads and seen.head not in rows.heads:
        head = "none" if seen.head is None else "0x" + seen.head.hex()
        return f"the lane's head on chain is {head}, to which no batch known here leads"
    return None


def unlike_signer(given: Given, marks: Marks) -> str | None:
    """What the signer knows and the rows do not, or has forgotten; None when nothing."""
    if marks.epoch > given.epoch:
        return f"{OF_SIGNER} has seen epoch {marks.epoch}, the lease is in {given.epoch}"
    if marks.nonce >= given.next_nonce:
        return f"{OF_SIGNER} has signed nonce {marks.nonce}, those below {given.next_nonce} were given away"
    if marks.nonce < given.signed_nonce:
        return (
            f"{OF_SIGNER}'s memory ends at nonce {marks.nonce}, bytes of {given.signed_nonce} are kept here"
        )
    return None
