"""Checks the evidence of a deposit with nothing but the file: no network, no database, no watcher.

What is claimed is held against the receipt, the receipt against the root in the header, the header against
the block's hash. The Transfer is read here anew: a mistake of the watcher's reading cannot hide in both.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from bascule.chain import families, header_hash, receipts_root, trie
from bascule.chain.deposit_evidence import Claims, Evidence, Proof, checksum
from bascule.chain.errors import WrongShape
from bascule.chain.families import ETHEREUM, Family
from bascule.chain.header_hash import HeaderJson
from bascule.chain.hexes import data
from bascule.chain.receipts_root import LogJson, ReceiptJson
from bascule.domain.chain import Address, Hash, parse_network
from bascule.domain.chain import checksum as address_text
from bascule.domain.errors import Rejected
from bascule.domain.hashing import keccak

LARGEST = 8 * 1024 * 1024
_DEEPEST = 16
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_TRANSFER = "0x" + keccak(b"Transfer(address,address,uint256)").hex()


class Malformed(ValueError):
    """The file is no evidence at all; why, in one line."""

    def __init__(self, why: str) -> None:
        super().__init__(why.encode("ascii", "backslashreplace").decode()[:300])


class _Failed(Exception):
    """A check that does not hold, and why."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked. says: what holds, or why it does not."""

    name: str
    ok: bool
    says: str


def check(raw: bytes) -> list[Check]:
    """Every check of a file's content; all ok: the claims are proven. Raises: Malformed."""
    try:
        members = _members(raw)
        evidence = msgspec.convert(members, Evidence)
        return [
            _checked("checksum", lambda: _checksum(members, evidence)),
            _checked("proof", lambda: _is_proof(evidence)),
            *(_proof(evidence.claims, evidence.proof) if evidence.proof is not None else ()),
        ]
    except msgspec.ValidationError as error:
        raise Malformed(f"this is no evidence of a deposit: {error}") from None
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


def _checked(name: str, judge: Callable[[], str]) -> Check:
    try:
        return Check(name, True, judge())
    except (_Failed, WrongShape, trie.ProofFailed, msgspec.ValidationError) as error:
        return Check(name, False, str(error).encode("ascii", "backslashreplace").decode())


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise _Failed(otherwise)


def _checksum(members: dict[str, Any], evidence: Evidence) -> str:
    _require(checksum(members) == evidence.checksum, "something in the file was changed after it was written")
    return "the file is as it was written"


def _is_proof(evidence: Evidence) -> str:
    _require(
        evidence.proof is not None and evidence.verified == "receipts",
        "there is none: only nodes' words stand for this deposit",
    )
    return "a receipt under a header"


def _proof(claims: Claims, proof: Proof) -> list[Check]:
    return [
        _checked("header", lambda: _header(claims, proof)),
        _checked("receipt", lambda: _receipt(claims, proof)),
        _checked("transfer", lambda: _transfer(claims, proof)),
        _checked("place", lambda: _place(claims, proof)),
    ]


def _family(claims: Claims, proof: Proof) -> Family:
    try:
        family = families.of(parse_network(claims.network)) or ETHEREUM
    except Rejected as error:
        raise _Failed(str(error)) from None
    _require(proof.family == family.name, f"{claims.network} is of the family {family.name}")
    return family


def _header(claims: Claims, proof: Proof) -> str:
    family = _family(claims, proof)
    header = msgspec.convert({**proof.header, "hash": claims.block_hash}, HeaderJson)
    _require(
        header_hash.spelled(family, header) == proof.header, "the header is not spelled as its family does"
    )
    found = "0x" + header_hash.header_hash(family, header).hex()
    _require(found == claims.block_hash, f"the header hashes to {found}, not to block_hash")
    _require(int(header.number, 16) == claims.block_number, "block_number is not the header's")
    _require(int(header.timestamp, 16) == claims.block_time, "block_time is not the header's")
    elsewhere = family.elsewhere is not None and family.elsewhere in proof.header
    _require(not elsewhere, "the header's receiptsRoot speaks of other blocks than its own")
    return f"its members hash to {found}"


def _receipt(claims: Claims, proof: Proof) -> str:
    family = _family(claims, proof)
    receipt = msgspec.convert(proof.receipt, ReceiptJson)
    _require(
        receipts_root.spelled(family, receipt) == proof.receipt,
        "the receipt is not spelled as its family does",
    )
    branch = [data(node, method="branch") for node in proof.branch]
    _require(["0x" + node.hex() for node in branch] == proof.branch, "the branch is not in lower case")
    root = Hash(data(proof.header.get("receiptsRoot", ""), 32, method="header"))
    proven = trie.value_at(root, proof.receipt_index, branch)
    _require(proven == receipts_root.encoded(family, receipt), "the branch proves another receipt")
    _require(int(receipt.transactionIndex, 16) == proof.receipt_index, "the receipt is of another place")
    return f"it is number {proof.receipt_index} under the header's receiptsRoot"


def _transfer(claims: Claims, proof: Proof) -> str:
    log = _log(claims, proof)
    topics = [data(topic, 32, method="receipt") for topic in log.topics]
    amount = data(log.data, method="receipt")
    _require(len(topics) == 3 and log.topics[0] == _TRANSFER and len(amount) == 32, "the log is no Transfer")
    _require(not any(topics[1][:12] + topics[2][:12]), "the Transfer's addresses are no addresses")
    token = Address(data(log.address, 20, method="receipt"))
    told = (token, Address(topics[1][12:]), Address(topics[2][12:]))
    claimed = (claims.token, claims.source, claims.destination)
    for name, said, address in zip(("token", "from", "to"), claimed, told, strict=True):
        _require(said == address_text(address), f"{name} is {address_text(address)} in the log")
    units = str(int.from_bytes(amount, "big"))
    _require(claims.amount_atomic == units, f"amount_atomic is {units} in the log")
    return f"the log moves {units} base units of {claims.token} to {claims.destination}"


def _log(claims: Claims, proof: Proof) -> LogJson:
    logs = msgspec.convert(proof.receipt, ReceiptJson).logs
    place = claims.log_index - proof.logs_before
    _require(0 <= place < len(logs), f"the receipt has {len(logs)} logs, and log_index is not among them")
    return logs[place]


def _place(claims: Claims, proof: Proof) -> str:
    _log(claims, proof)
    _require(claims.tx_hash == proof.receipt.get("transactionHash"), "tx_hash is not the receipt's")
    return "transaction and log index are those written beside the receipt"
