"""The evidence of a payout: that it was paid, or that it never can be, and who decided it.

A file of evidence is one JSON object of the shape `PayoutEvidence`, spelled as that of a deposit is.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bascule.chain.deposit_evidence import Proof, Whole
from bascule.chain.state_proof import Storage

PAID = "paid"
Ground = Literal["paid", "canceled_at_vault", "refused_by_token", "lane_retired", "deadline_passed"]
BY_RECEIPT: tuple[Ground, ...] = ("paid", "canceled_at_vault", "refused_by_token")

_THE_BLOCK = (
    "That the block is on the chain of this network, and final there, is the word of the nodes named here: "
    "compare block_hash with a node of your own.",
    "That the vault is a PayoutVault is the operator's word: compare its code with abi/PayoutVault.json.",
)
_THE_ID = "That the payout has this vault id, and no other, is the word of operator and signer."
_THE_TERMS = "So is what the payout was to pay, and to whom: the block says nothing of it."
_THE_PLACE = "The transaction's hash and the log's index are the nodes' words: a receipt does not hold them."
_THE_PEOPLE = (
    "That those who signed were the account's approvers then is the operator's word and its signer's."
)
_THE_BATCHES = "That it stood in these batches alone, and when it ended, is the word of operator and signer."


def beyond(ground: Ground) -> list[str]:
    """What evidence of this ground does not prove, in words."""
    more = {
        PAID: [_THE_PLACE, _THE_PEOPLE],
        "lane_retired": [_THE_TERMS],
        "deadline_passed": [_THE_TERMS, _THE_BATCHES],
    }
    return [*_THE_BLOCK, _THE_ID, *more.get(ground, [_THE_TERMS, _THE_PLACE])]


class PayoutClaims(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What is said of a payout.

    amount_atomic: base units; block_time: unix seconds; log_index: of the Transfer, or of the vault's word
    on this id; it and tx_hash are null where the vault's storage is the proof.
    """

    network: str
    vault: str
    vault_id: str
    token: str
    destination: str = msgspec.field(name="to")
    amount_atomic: str
    tx_hash: str | None
    log_index: Whole | None
    block_number: Whole
    block_hash: str
    block_time: Whole


class Signed(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What approvers signed (EIP-712): one payout, a batch in which it stands, or a mandate for such payouts.

    batch: null for one payout; totals: base units by token; leaves: of all items, joined; position: of the
    payout's own leaf, from 0. expiry: unix seconds. A mandate has no roster_version: it is 0.
    """

    account: str
    expiry: Whole
    roster_version: Whole
    batch: str | None = None
    totals: list[tuple[str, str]] = []
    leaves: str = "0x"
    position: Whole = 0
    mandate: Allowed | None = None


class Allowed(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A mandate: payouts to one destination or to whoever claims, up to so many base units each."""

    mandate: str
    kind: str
    destination: str
    max_per_item: str
    max_per_day: str


class GivenApproval(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One approver's signature: 65 bytes r, s, v."""

    approver: str
    signature: str


class Decision(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What let the payout through: the rule, and the people it asked for."""

    rule: str
    reasons: list[str]
    approvals_required: Whole
    signed: Signed
    approvals: Annotated[list[GivenApproval], msgspec.Meta(max_length=256)]


class Ending(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Until when bytes that pay the id could run. All in unix seconds.

    deadlines: of the batches it stood in; ended_at: when it ended here; life: of a batch that is signed.
    """

    deadlines: list[Whole]
    ended_at: Whole
    life: Whole


class PayoutEvidence(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The whole of it.

    ground: by which fact; proof: of a receipt, storage: of the vault, one of them; ending: for
    `deadline_passed`; decision: of a paid one; the others as in a deposit's evidence.
    """

    object: Literal["payout_evidence"]
    version: Literal[1]
    payout: str
    outcome: Literal["paid", "never_paid"]
    ground: Ground
    claims: PayoutClaims
    decision: Decision | None
    proof: Proof | None
    storage: Storage | None
    ending: Ending | None
    finality: str
    nodes: list[str]
    proven_at: Whole
    not_proven: list[str]
    checksum: str
