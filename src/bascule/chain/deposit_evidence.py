"""The evidence of a deposit: what was claimed, and the branch that proves it to whoever has the block's hash.

A file of evidence is one JSON object of the shape `Evidence`. Everything in it is spelled in one way (numbers
shortest, hex lower-case, addresses as EIP-55 wants), so that no letter of it can be changed unnoticed.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from bascule.chain import receipts_root, trie
from bascule.chain.families import Family
from bascule.chain.receipts_root import ReceiptJson
from bascule.domain.hashing import keccak

Whole = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Branch = Annotated[list[str], msgspec.Meta(max_length=16)]

BEYOND_THE_PROOF = (
    "That the block is on the chain of this network, and final there, is the word of the nodes named here: "
    "compare block_hash with a node of your own.",
    "The transaction's hash and the log's index are the nodes' words: a receipt holds neither its "
    "transaction's hash nor how many logs of the block stand before its own.",
)
BEYOND_THE_AGREEMENT = (
    "Nothing is proven: the block's header or receipts could not be recomputed, and the transfer is the "
    "word of the nodes named here.",
)


class Claims(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What is said of a deposit. amount_atomic: base units; block_time: unix seconds."""

    network: str
    token: str
    source: str = msgspec.field(name="from")
    destination: str = msgspec.field(name="to")
    amount_atomic: str
    tx_hash: str
    log_index: Whole
    block_number: Whole
    block_hash: str
    block_time: Whole


class Proof(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A receipt under a header.

    family: how the chain spells both (`families`); header: all members that its hash covers; receipt_index:
    its key under the header's receiptsRoot; branch: the trie's nodes from the root down; logs_before: how
    many logs the block's earlier receipts hold.
    """

    family: str
    header: dict[str, str]
    receipt: dict[str, Any]
    receipt_index: Whole
    branch: Branch
    logs_before: Whole


class Evidence(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The whole of it.

    verified: `receipts`, or `quorum` where nodes' agreement stands for a proof; agreement: the digest of all
    the block's transfers that they agreed on; finality: the policy under which the block was final;
    nodes: who was asked; proven_at: unix seconds; not_proven: what is not proven, in words;
    checksum: of all the rest, against accidents.
    """

    object: Literal["deposit_evidence"]
    version: Literal[1]
    deposit: str
    claims: Claims
    verified: Literal["receipts", "quorum"]
    proof: Proof | None
    agreement: str | None
    finality: str
    nodes: list[str]
    proven_at: Whole
    not_proven: list[str]
    checksum: str


def proofs(
    family: Family, header: dict[str, str], receipts: Sequence[ReceiptJson], log_indexes: Sequence[int]
) -> list[Proof]:
    """A proof of each receipt that holds one of these logs. The receipts are all of the block's, in order."""
    ends: list[int] = []
    for receipt in receipts:
        ends.append(len(receipt.logs) + (ends[-1] if ends else 0))
    wanted = sorted({sum(end <= log_index for end in ends) for log_index in log_indexes})
    branches = trie.branches([receipts_root.encoded(family, receipt) for receipt in receipts], wanted)
    return [
        Proof(
            family=family.name,
            header=header,
            receipt=receipts_root.spelled(family, receipts[index]),
            receipt_index=index,
            branch=["0x" + node.hex() for node in branch],
            logs_before=ends[index] - len(receipts[index].logs),
        )
        for index, branch in zip(wanted, branches, strict=True)
    ]


def checksum(members: dict[str, Any]) -> str:
    """Keccak-256 of the evidence without its checksum, as JSON with sorted keys and no spaces."""
    rest = {name: value for name, value in members.items() if name != "checksum"}
    return "0x" + keccak(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hex()
