"""The evidence the API shows: what proves a deposit, or how a payout ended, to be checked offline."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from bascule.entrypoints.api.shape import AddressOut, Atomic, Caip2, HashOut, Seconds, Shape

PayoutGround = Literal["paid", "canceled_at_vault", "refused_by_token", "lane_retired", "deadline_passed"]


class EvidenceClaims(Shape):
    """What the evidence is about."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    network: Caip2
    token: AddressOut
    source: AddressOut = Field(alias="from")
    destination: AddressOut = Field(alias="to")
    amount_atomic: Atomic
    tx_hash: HashOut
    log_index: int
    block_number: int
    block_hash: HashOut
    block_time: Seconds


class EvidenceProof(Shape):
    """A receipt under its block's header: whoever trusts the block's hash need trust nobody else."""

    family: str = Field(description="How the chain spells headers and receipts.")
    header: dict[str, str] = Field(description="All members that the block's hash covers.")
    receipt: dict[str, Any] = Field(description="The receipt as its block's root covers it.")
    receipt_index: int = Field(description="The receipt's key under the header's receiptsRoot.")
    branch: list[str] = Field(description="The nodes of the trie from the root down to the receipt.")
    logs_before: int = Field(description="How many logs the block's earlier receipts hold.")


class DepositEvidence(Shape):
    """What proves a final deposit, to be checked offline."""

    object: Literal["deposit_evidence"]
    version: Literal[1]
    deposit: str
    claims: EvidenceClaims
    verified: Literal["receipts", "quorum"]
    proof: EvidenceProof | None = Field(description="Null where nodes' agreement stands for it.")
    agreement: HashOut | None = Field(description="The digest of the block's transfers that nodes agreed on.")
    finality: str = Field(description="By which policy the block was final.")
    nodes: list[str] = Field(description="Who was asked.")
    proven_at: Seconds
    not_proven: list[str] = Field(description="What the evidence does not prove.")
    checksum: HashOut = Field(description="Keccak-256 of all the rest as JSON, keys sorted, no spaces.")


class PayoutEvidence(Shape):
    """What proves that a payout was paid, or that it never can be; to be checked offline."""

    object: Literal["payout_evidence"]
    version: Literal[1]
    payout: str
    outcome: Literal["paid", "never_paid"]
    ground: PayoutGround
    claims: dict[str, Any] = Field(description="What is claimed of payout, vault and block.")
    decision: dict[str, Any] | None = Field(description="The rule, what was signed, and by whom.")
    proof: EvidenceProof | None = Field(description="Of the receipt that says so.")
    storage: dict[str, Any] | None = Field(description="Of the vault's storage (EIP-1186).")
    ending: dict[str, Any] | None = Field(description="Until when a batch could have paid it.")
    finality: str = Field(description="By which policy the block was final.")
    nodes: list[str] = Field(description="Who was asked.")
    proven_at: Seconds
    not_proven: list[str] = Field(description="What the evidence does not prove.")
    checksum: HashOut = Field(description="Keccak-256 of all the rest as JSON, keys sorted, no spaces.")
