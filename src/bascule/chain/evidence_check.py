"""Checks a file of evidence with nothing but the file: no network, no database, no watcher.

What is claimed is held against the receipt, the receipt against the root in the header, the header against
the block's hash. The Transfer is read here anew: a mistake of the watcher's reading cannot hide in both.
"""

import json
import re
from typing import Any

import msgspec

from bascule.chain import evidence_steps as steps
from bascule.chain import payout_evidence_check
from bascule.chain.deposit_evidence import Claims, Evidence, Proof
from bascule.chain.evidence_steps import Check
from bascule.chain.payout_evidence import PayoutEvidence
from bascule.domain.chain import checksum as address_text

__all__ = ["LARGEST", "Check", "Malformed", "check"]

LARGEST = 8 * 1024 * 1024
_DEEPEST = 16
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class Malformed(ValueError):
    """The file is no evidence at all; why, in one line."""

    def __init__(self, why: str) -> None:
        super().__init__(why.encode("ascii", "backslashreplace").decode()[:300])


def check(raw: bytes) -> list[Check]:
    """Every check of a file's content; all ok: the claims are proven. Raises: Malformed."""
    try:
        members = _members(raw)
        if members.get("object") == "payout_evidence":
            return payout_evidence_check.checks(members, msgspec.convert(members, PayoutEvidence))
        return _deposit(members, msgspec.convert(members, Evidence))
    except msgspec.ValidationError as error:
        raise Malformed(f"this is no evidence of a deposit or a payout: {error}") from None
    except UnicodeError:
        raise Malformed("the file holds half a character (an unpaired surrogate)") from None


def _members(raw: bytes) -> dict[str, Any]:
    if len(raw) > LARGEST:
        raise Malformed(f"the file is larger than {LARGEST} bytes")
    try:
        text = raw.decode()
        _require_shallow(text)
        members = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except Malformed:
        raise
    except ValueError as error:
        raise Malformed(f"the file is not JSON: {error}") from None
    if not isinstance(members, dict):
        raise Malformed("the file is JSON, but no object")
    return members


def _require_shallow(text: str) -> None:
    """Before it is parsed: where a library has raised the recursion limit, the parser ends in a crash."""
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > _DEEPEST:
            raise Malformed(f"the file is nested more than {_DEEPEST} deep")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):  # two readers would see two things
        raise Malformed("a member stands twice in one object")
    return members


def _no_number(text: str) -> None:
    raise Malformed(f"{text} is no JSON")


def _deposit(members: dict[str, Any], evidence: Evidence) -> list[Check]:
    return [
        steps.checked("checksum", lambda: steps.untouched(members, evidence.checksum)),
        steps.checked("proof", lambda: _is_proof(evidence)),
        *(_proof(evidence.claims, evidence.proof) if evidence.proof is not None else ()),
    ]


def _is_proof(evidence: Evidence) -> str:
    steps.require(
        evidence.proof is not None and evidence.verified == "receipts",
        "there is none: only nodes' words stand for this deposit",
    )
    return "a receipt under a header"


def _proof(claims: Claims, proof: Proof) -> list[Check]:
    return [
        steps.checked("header", lambda: steps.header(claims, proof)),
        steps.checked("receipt", lambda: steps.receipt(claims, proof)),
        steps.checked("transfer", lambda: _transfer(claims, proof)),
        steps.checked("place", lambda: steps.place(claims.tx_hash, claims.log_index, proof)),
    ]


def _transfer(claims: Claims, proof: Proof) -> str:
    found = steps.moved(steps.log_at(proof, claims.log_index))
    claimed = (claims.token, claims.source, claims.destination)
    told = (found.token, found.source, found.destination)
    for name, said, address in zip(("token", "from", "to"), claimed, told, strict=True):
        steps.require(said == address_text(address), f"{name} is {address_text(address)} in the log")
    units = str(found.amount)
    steps.require(claims.amount_atomic == units, f"amount_atomic is {units} in the log")
    return f"the log moves {units} base units of {claims.token} to {claims.destination}"
