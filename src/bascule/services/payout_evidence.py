"""A payout's evidence as the API shows it: claims, what proves them, who decided, what is not proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bascule.chain import payout_evidence as shapes
from bascule.chain.deposit_evidence import checksum as sealed
from bascule.chain.payout_evidence import Ground
from bascule.domain.chain import Address, Hash, caip2, checksum, hex32
from bascule.domain.errors import NotFound
from bascule.domain.payout import PayoutState
from bascule.services import approval_rounds
from bascule.services.approval_rounds import Round
from bascule.storage import deposit_proofs, mandates, negatives, networks
from bascule.storage.approvals import Approval
from bascule.storage.database import Connection
from bascule.storage.mandates import MandateRow
from bascule.storage.payouts import PayoutRow
from bascule.storage.tokens import Token

_NO_BATCH: Mapping[str, Any] = {"batch": None, "totals": [], "leaves": "0x", "position": 0}


@dataclass(frozen=True, slots=True)
class _Fact:
    """The fact of a final block that ended the payout, and its proof as JSON; one of the two is None."""

    ground: Ground
    block_hash: Hash
    log_index: int | None
    nodes: Sequence[str]
    proven_at: datetime
    proof: Mapping[str, Any] | None = None
    storage: Mapping[str, Any] | None = None
    ending: Mapping[str, Any] | None = None


async def evidence_of(conn: Connection, payout: PayoutRow) -> dict[str, Any]:
    """The evidence of a payout that has ended. Raises: NotFound while nothing is proven of it."""
    fact = await _fact(conn, payout)
    if fact is None and payout.state is PayoutState.PAID and await networks.unproven(conn, payout.chain_id):
        raise NotFound(
            "resource_missing",
            f"Payout {payout.id} is paid as a quorum of nodes tells: headers of this network prove nothing.",
            param="id",
            next_step="Look its transaction up at a node that you trust.",
        )
    if fact is None:
        raise NotFound(
            "resource_missing",
            f"Payout {payout.id} has no evidence yet: it is {payout.state}.",
            param="id",
            next_step="A final block has to say that it was paid, or that it never can be.",
        )
    network = await networks.get(conn, payout.chain_id)
    assert network is not None, "a payout has a network"
    of_token = await approval_rounds.tokens_of(conn, [payout])
    shown = {
        "object": "payout_evidence",
        "version": 1,
        "payout": payout.id,
        "outcome": "paid" if fact.ground == "paid" else "never_paid",
        "ground": fact.ground,
        "claims": _claims(payout, Address(of_token[payout.token_id].contract), fact),
        "decision": None,
        "proof": None if fact.proof is None else dict(fact.proof),
        "storage": None if fact.storage is None else dict(fact.storage),
        "ending": None if fact.ending is None else dict(fact.ending),
        "finality": str(network.finality),
        "nodes": list(fact.nodes),
        "proven_at": int(fact.proven_at.timestamp()),
        "not_proven": shapes.beyond(fact.ground),
    }
    if fact.ground == "paid":
        shown["decision"] = await _decided(conn, payout, of_token)
    return shown | {"checksum": sealed(shown)}


async def _fact(conn: Connection, payout: PayoutRow) -> _Fact | None:
    if payout.paid_block_hash is not None:
        assert payout.paid_log_index is not None, "a paid payout has its Transfer"
        return await _by_log(conn, payout, "paid", payout.paid_block_hash, payout.paid_log_index)
    found = await negatives.of_payout(conn, payout.id)
    if found is None:
        return None
    if found.log_index is not None:
        return await _by_log(conn, payout, found.ground, found.block_hash, found.log_index)
    return _Fact(
        found.ground, found.block_hash, None, found.nodes, found.proven_at, None, found.storage, found.ending
    )


async def _by_log(
    conn: Connection, payout: PayoutRow, ground: Ground, block_hash: Hash, log_index: int
) -> _Fact | None:
    kept = await deposit_proofs.of_log(conn, payout.chain_id, block_hash, log_index)
    if kept is None:
        return None
    proof, nodes, proven_at = kept
    return _Fact(ground, block_hash, log_index, nodes, proven_at, proof)


def _claims(payout: PayoutRow, token: Address, fact: _Fact) -> dict[str, Any]:
    proof = fact.proof or fact.storage
    assert proof is not None, "a fact has its proof"
    header = proof["header"]
    return {
        "network": caip2(payout.chain_id),
        "vault": checksum(payout.vault),
        "vault_id": str(payout.vault_id),
        "token": checksum(token),
        "to": checksum(payout.destination),
        "amount_atomic": str(payout.amount),
        "tx_hash": None if fact.proof is None else fact.proof["receipt"]["transactionHash"],
        "log_index": fact.log_index,
        "block_number": int(header["number"], 16),
        "block_hash": hex32(fact.block_hash),
        "block_time": int(header["timestamp"], 16),
    }


async def _decided(conn: Connection, payout: PayoutRow, of_token: dict[str, Token]) -> dict[str, Any]:
    given: Sequence[Approval | mandates.Signed]
    if payout.mandate_id is not None:
        row = (await mandates.of_ids(conn, [payout.mandate_id]))[payout.mandate_id]
        given = (await mandates.approvals_of(conn, [row.id]))[row.id]
        signed = _mandate(row)
    else:
        round = (await approval_rounds.of_payouts(conn, [payout], of_token))[payout.id]
        given = round.counts(payout.approvals_required)
        signed = _signed(payout, round, given)
    return {
        "rule": payout.policy_decision["rule"],
        "reasons": list(payout.policy_decision["reasons"]),
        "approvals_required": payout.approvals_required,
        "signed": signed,
        "approvals": [
            {"approver": checksum(each.approver), "signature": "0x" + each.signature.hex()} for each in given
        ],
    }


def _mandate(row: MandateRow) -> dict[str, Any]:
    return {
        "account": row.account_id,
        "expiry": int(row.expires_at.timestamp()),
        "roster_version": 0,
        **_NO_BATCH,
        "mandate": {
            "mandate": row.id,
            "kind": row.kind,
            "destination": row.destination,
            "max_per_item": str(row.max_per_item),
            "max_per_day": str(row.max_per_day),
        },
    }


def _signed(payout: PayoutRow, round: Round, given: Sequence[Approval]) -> dict[str, Any]:
    terms: dict[str, Any] = {
        "account": payout.account_id,
        "expiry": int(payout.approval_expires_at.timestamp()),
        "roster_version": payout.roster_version,
        "mandate": None,
    }
    if round.batch is None or given is round.own:
        return {**terms, **_NO_BATCH}
    text = approval_rounds.batch_approval_text(round.batch)
    return terms | {
        "batch": text.batch,
        "totals": [[checksum(token), str(amount)] for token, amount in text.totals],
        "leaves": "0x" + text.leaves.hex(),
        "position": payout.batch_position,
    }
