"""The steps every check of evidence is made of: a header under its hash, a receipt under the header's root.

Nothing here has a network, a database or the watcher's reading of logs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from bascule.chain import families, header_hash, receipts_root, trie
from bascule.chain.deposit_evidence import Proof, checksum
from bascule.chain.errors import WrongShape
from bascule.chain.families import ETHEREUM, Family
from bascule.chain.header_hash import HeaderJson
from bascule.chain.hexes import data
from bascule.chain.receipts_root import LogJson, ReceiptJson
from bascule.domain.chain import Address, Hash, parse_network
from bascule.domain.errors import Rejected
from bascule.domain.hashing import keccak

TRANSFER = "0x" + keccak(b"Transfer(address,address,uint256)").hex()


class Failed(Exception):
    """A check that does not hold, and why."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked. says: what holds, or why it does not."""

    name: str
    ok: bool
    says: str


class Placed(Protocol):
    """What is claimed of a block. block_time: unix seconds."""

    @property
    def network(self) -> str: ...
    @property
    def block_number(self) -> int: ...
    @property
    def block_hash(self) -> str: ...
    @property
    def block_time(self) -> int: ...


class Headed(Protocol):
    """A proof under a header."""

    @property
    def family(self) -> str: ...
    @property
    def header(self) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class Moved:
    """What a Transfer log says. amount: base units."""

    token: Address
    source: Address
    destination: Address
    amount: int


def checked(name: str, judge: Callable[[], str]) -> Check:
    """One check; whatever it meets in the file is a reason why it does not hold."""
    try:
        return Check(name, True, judge())
    except (Failed, WrongShape, trie.ProofFailed, msgspec.ValidationError) as error:
        return Check(name, False, str(error).encode("ascii", "backslashreplace").decode())


def require(holds: bool, otherwise: str) -> None:
    """Raises: Failed."""
    if not holds:
        raise Failed(otherwise)


def untouched(members: dict[str, Any], stated: str) -> str:
    """The checksum is that of all the rest."""
    require(checksum(members) == stated, "something in the file was changed after it was written")
    return "the file is as it was written"


def family_of(claims: Placed, proof: Headed) -> Family:
    """How the network that is claimed spells its headers."""
    try:
        family = families.of(parse_network(claims.network)) or ETHEREUM
    except Rejected as error:
        raise Failed(str(error)) from None
    require(proof.family == family.name, f"{claims.network} is of the family {family.name}")
    return family


def header(claims: Placed, proof: Headed) -> str:
    """The header hashes to the block that is claimed, and holds its number and time."""
    family = family_of(claims, proof)
    found = msgspec.convert({**proof.header, "hash": claims.block_hash}, HeaderJson)
    require(
        header_hash.spelled(family, found) == proof.header, "the header is not spelled as its family does"
    )
    name = "0x" + header_hash.header_hash(family, found).hex()
    require(name == claims.block_hash, f"the header hashes to {name}, not to block_hash")
    require(int(found.number, 16) == claims.block_number, "block_number is not the header's")
    require(int(found.timestamp, 16) == claims.block_time, "block_time is not the header's")
    elsewhere = family.elsewhere is not None and family.elsewhere in proof.header
    require(not elsewhere, "the header's receiptsRoot speaks of other blocks than its own")
    return f"its members hash to {name}"


def receipt(claims: Placed, proof: Proof) -> str:
    """The receipt stands at its index under the header's receiptsRoot."""
    family = family_of(claims, proof)
    found = msgspec.convert(proof.receipt, ReceiptJson)
    require(
        receipts_root.spelled(family, found) == proof.receipt,
        "the receipt is not spelled as its family does",
    )
    branch = [data(node, method="branch") for node in proof.branch]
    require(["0x" + node.hex() for node in branch] == proof.branch, "the branch is not in lower case")
    root = Hash(data(proof.header.get("receiptsRoot", ""), 32, method="header"))
    proven = trie.value_at(root, proof.receipt_index, branch)
    require(proven == receipts_root.encoded(family, found), "the branch proves another receipt")
    require(int(found.transactionIndex, 16) == proof.receipt_index, "the receipt is of another place")
    return f"it is number {proof.receipt_index} under the header's receiptsRoot"


def logs(proof: Proof) -> list[LogJson]:
    """The receipt's logs, in order."""
    return msgspec.convert(proof.receipt, ReceiptJson).logs


def log_at(proof: Proof, log_index: int) -> LogJson:
    """The log of a receipt that has this index in its block."""
    found = logs(proof)
    place = log_index - proof.logs_before
    require(0 <= place < len(found), f"the receipt has {len(found)} logs, and log_index is not among them")
    return found[place]


def moved(log: LogJson) -> Moved:
    """What a log moves. Raises: Failed for one that is no Transfer."""
    topics = [data(topic, 32, method="receipt") for topic in log.topics]
    amount = data(log.data, method="receipt")
    require(len(topics) == 3 and log.topics[0] == TRANSFER and len(amount) == 32, "the log is no Transfer")
    require(not any(topics[1][:12] + topics[2][:12]), "the Transfer's addresses are no addresses")
    token = Address(data(log.address, 20, method="receipt"))
    return Moved(token, Address(topics[1][12:]), Address(topics[2][12:]), int.from_bytes(amount, "big"))


def place(tx_hash: str | None, log_index: int, proof: Proof) -> str:
    """Transaction and log are those written beside the receipt."""
    log_at(proof, log_index)
    require(tx_hash == proof.receipt.get("transactionHash"), "tx_hash is not the receipt's")
    return "transaction and log index are those written beside the receipt"
