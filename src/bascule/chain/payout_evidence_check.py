"""Checks the evidence of a payout: that it was paid, or that no block can ever pay it.

The vault's words are read here anew, from the receipt or from its storage alone; see `evidence_check`.
"""

from typing import Any

from bascule.chain import evidence_steps as steps
from bascule.chain import state_proof
from bascule.chain.deposit_evidence import Proof
from bascule.chain.evidence_steps import Check, Failed, require
from bascule.chain.hexes import data
from bascule.chain.payout_evidence import (
    BY_RECEIPT,
    PAID,
    Allowed,
    Decision,
    PayoutClaims,
    PayoutEvidence,
    Signed,
)
from bascule.chain.receipts_root import LogJson
from bascule.chain.signatures import recover
from bascule.chain.state_proof import Storage
from bascule.domain import vault as layout
from bascule.domain import vault_storage
from bascule.domain.approval import BatchApproval, BatchItem, PayoutApproval
from bascule.domain.chain import Address, Hash, parse_address, parse_network
from bascule.domain.chain import checksum as address_text
from bascule.domain.errors import Rejected
from bascule.domain.hashing import keccak
from bascule.domain.mandate import Mandate

_BATCH_PAID = "0x" + keccak(b"BatchPaid(uint32,bytes32,address,uint256,uint256,uint256)").hex()
_REFUSED = "0x" + keccak(b"PayoutRefused(uint256,bytes)").hex()
_CANCELED = "0x" + keccak(b"PayoutCanceled(uint256)").hex()


def checks(members: dict[str, Any], evidence: PayoutEvidence) -> list[Check]:
    """Every check of a payout's evidence. members: the same as JSON."""
    claims, found = evidence.claims, evidence.proof or evidence.storage
    return [
        steps.checked("checksum", lambda: steps.untouched(members, evidence.checksum)),
        steps.checked("proof", lambda: _is_proof(evidence)),
        *([steps.checked("header", lambda: steps.header(claims, found))] if found is not None else ()),
        *(_by_receipt(evidence, evidence.proof) if evidence.proof is not None else ()),
        *(_by_storage(evidence, evidence.storage) if evidence.storage is not None else ()),
        *([steps.checked("approvals", lambda: _approvals(evidence))] if evidence.ground == PAID else ()),
    ]


def _is_proof(evidence: PayoutEvidence) -> str:
    outcome = "paid" if evidence.ground == PAID else "never_paid"
    require(evidence.outcome == outcome, f"{evidence.ground} is evidence of {outcome}")
    held = (evidence.proof is not None, evidence.storage is not None)
    by_receipt = evidence.ground in BY_RECEIPT
    require(held == (by_receipt, not by_receipt), f"{evidence.ground} needs one proof, of its own kind")
    return "a receipt under a header" if by_receipt else "storage of the vault under a header"


def _by_receipt(evidence: PayoutEvidence, proof: Proof) -> list[Check]:
    claims = evidence.claims
    judge = {"canceled_at_vault": _canceled, "refused_by_token": _refused}.get(evidence.ground, _paid)
    return [
        steps.checked("receipt", lambda: steps.receipt(claims, proof)),
        steps.checked("outcome", lambda: judge(claims, proof)),
        steps.checked("place", lambda: steps.place(claims.tx_hash, _log_index(claims), proof)),
    ]


def _by_storage(evidence: PayoutEvidence, storage: Storage) -> list[Check]:
    judge = _deadline_passed if evidence.ground == "deadline_passed" else _lane_retired
    return [
        steps.checked("unused", lambda: _unused(evidence.claims, storage)),
        steps.checked("outcome", lambda: judge(evidence, storage)),
    ]


def _paid(claims: PayoutClaims, proof: Proof) -> str:
    attempted, refused = _masks(claims, proof)
    bit = layout.index_of(_vault_id(claims))
    paid = layout.paid_indexes(attempted, refused)
    require(bit in paid, "BatchPaid does not say that this id was paid")
    moves = _moves(claims, proof)
    require(len(moves) == len(paid), "there are not as many Transfers as paid ids")
    index, found = moves[paid.index(bit)]
    require(claims.log_index == index, f"the Transfer of this id is log {index}")
    told = (address_text(found.destination), str(found.amount))
    require((claims.destination, claims.amount_atomic) == told, f"it moves {told[1]} base units to {told[0]}")
    return f"the vault paid {claims.amount_atomic} base units of {claims.token} to {claims.destination}"


def _refused(claims: PayoutClaims, proof: Proof) -> str:
    attempted, refused = _masks(claims, proof)
    bit = layout.index_of(_vault_id(claims))
    require(bool(attempted & refused & 1 << bit), "BatchPaid does not say that this id was refused")
    paid = layout.paid_indexes(attempted, refused)
    require(len(_moves(claims, proof)) == len(paid), "there are more Transfers than paid ids")
    _require_told(claims, proof, _REFUSED)
    return "the token refused it, and its id is used up"


def _canceled(claims: PayoutClaims, proof: Proof) -> str:
    _require_told(claims, proof, _CANCELED)
    return "the id was canceled before anything used it"


def _unused(claims: PayoutClaims, storage: Storage) -> str:
    vault_id = _vault_id(claims)
    mask = _word(claims, storage, vault_storage.used_slot(vault_id))
    require(not vault_storage.is_used(mask, vault_id), "the vault's storage says that the id was used")
    return f"nothing had used the id by block {claims.block_number}"


def _lane_retired(evidence: PayoutEvidence, storage: Storage) -> str:
    lane = layout.lane_of(_vault_id(evidence.claims))
    word = _word(evidence.claims, storage, vault_storage.lane_slot(lane))
    require(vault_storage.is_retired(word), f"lane {lane} is not retired in that block")
    return f"no batch of lane {lane} can run any more"


def _deadline_passed(evidence: PayoutEvidence, _: Storage) -> str:
    ending = evidence.ending
    if ending is None or not ending.deadlines:
        raise Failed("no deadline of any batch is named")
    over = max(*ending.deadlines, ending.ended_at + ending.life)
    require(evidence.claims.block_time > over, f"a batch could still run at {over}")
    return f"the last batch that could pay it ended at {over}"


def _approvals(evidence: PayoutEvidence) -> str:
    decision = evidence.decision
    if decision is None:
        raise Failed("it is not said who decided")
    digest = _digest(evidence, decision)
    people = set()
    for each in decision.approvals:
        try:
            who = recover(digest, data(each.signature, 65, method="signature"))
        except Rejected as error:
            raise Failed(str(error)) from None
        require(each.approver == address_text(who), f"{each.approver} did not sign this payout")
        people.add(who)
    require(
        len(people) >= max(1, decision.approvals_required),
        f"{len(people)} people signed, {decision.approvals_required} were asked for",
    )
    over, paid_at = decision.signed.expiry, evidence.claims.block_time
    require(paid_at <= over, f"what they signed held until {over}, and the block is of {paid_at}")
    signed = "a mandate that covers it" if decision.signed.mandate else "just this payout"
    return f"{len(people)} people signed {signed}"


def _digest(evidence: PayoutEvidence, decision: Decision) -> Hash:
    claims, signed = evidence.claims, decision.signed
    chain_id = parse_network(claims.network)
    vault, token, to = (_address(text) for text in (claims.vault, claims.token, claims.destination))
    amount = _number(claims.amount_atomic)
    if signed.mandate is not None:
        return _mandate(signed, signed.mandate, token, to, amount).digest(chain_id, vault)
    if signed.batch is not None:
        leaf = BatchItem(evidence.payout, token, to, amount).leaf()
        return _batch(signed, signed.batch, leaf).digest(chain_id, vault)
    text = PayoutApproval(
        signed.account, evidence.payout, token, to, amount, signed.expiry, signed.roster_version
    )
    return text.digest(chain_id, vault)


def _mandate(signed: Signed, allowed: Allowed, token: Address, to: Address, amount: int) -> Mandate:
    try:
        mandate = Mandate(
            account=signed.account,
            mandate=allowed.mandate,
            kind=allowed.kind,
            destination=allowed.destination,
            token=token,
            max_per_item=_number(allowed.max_per_item),
            max_per_day=_number(allowed.max_per_day),
            expiry=signed.expiry,
        )
    except Rejected as error:
        raise Failed(str(error)) from None
    require(mandate.covers(to), "the mandate is for another destination")
    require(amount <= mandate.max_per_item, "the mandate allows less for one payout")
    return mandate


def _batch(signed: Signed, name: str, leaf: Hash) -> BatchApproval:
    leaves = data(signed.leaves, method="leaves")
    require(bool(leaves) and len(leaves) % 32 == 0, "leaves have 32 bytes each")
    batch = BatchApproval(
        account=signed.account,
        batch=name,
        totals=tuple((_address(token), _number(amount)) for token, amount in signed.totals),
        leaves=leaves,
        expiry=signed.expiry,
        roster_version=signed.roster_version,
    )
    require(batch.has(signed.position, leaf), "what was signed does not hold this payout at its position")
    return batch


def _masks(claims: PayoutClaims, proof: Proof) -> tuple[int, int]:
    """What the vault attempted and what the token refused, in the one batch of the id's word."""
    topics = ["0x" + part.rjust(32, b"\0").hex() for part in (
        layout.lane_of(_vault_id(claims)).to_bytes(4, "big"),
        _address(claims.token),
        layout.word_of(_vault_id(claims)).to_bytes(32, "big"),
    )]  # fmt: skip
    batches = [log for log in _told(claims, proof) if log.topics[0] == _BATCH_PAID]
    require(len(batches) == 1, f"the vault ran {len(batches)} batches in it")
    require(batches[0].topics[1:] == topics, "the batch is of another lane, token or word")
    raw = data(batches[0].data, 96, method="receipt")
    return int.from_bytes(raw[32:64], "big"), int.from_bytes(raw[64:], "big")


def _moves(claims: PayoutClaims, proof: Proof) -> list[tuple[int, steps.Moved]]:
    """The token's Transfers from the vault, with their indexes in the block."""
    found = []
    for place, log in enumerate(steps.logs(proof)):
        if log.topics[:1] == [steps.TRANSFER] and log.address == claims.token.lower():
            move = steps.moved(log)
            if address_text(move.source) == claims.vault:
                found.append((proof.logs_before + place, move))
    return found


def _require_told(claims: PayoutClaims, proof: Proof, topic: str) -> None:
    """The log that is claimed is the vault's word of this kind on this id."""
    log = steps.log_at(proof, _log_index(claims))
    require(log.address == claims.vault.lower(), "the log is not the vault's")
    wanted = [topic, f"0x{_vault_id(claims):064x}"]
    require(log.topics == wanted, "the log says something else, or of another id")


def _told(claims: PayoutClaims, proof: Proof) -> list[LogJson]:
    return [log for log in steps.logs(proof) if log.topics and log.address == claims.vault.lower()]


def _word(claims: PayoutClaims, storage: Storage, slot: int) -> int:
    root = Hash(data(storage.header.get("stateRoot", ""), 32, method="header"))
    words = state_proof.words(root, _address(claims.vault), storage.account, storage.slots)
    require(slot in words, "the storage that is needed is not in the proof")
    return words[slot]


def _vault_id(claims: PayoutClaims) -> int:
    found = _number(claims.vault_id)
    require(found < 2**256, "vault_id is no id")
    return found


def _log_index(claims: PayoutClaims) -> int:
    if claims.log_index is None:
        raise Failed("log_index is missing")
    return claims.log_index


def _number(text: str) -> int:
    require(text.isascii() and text.isdigit() and len(text) <= 78, f"{text[:80]!r} is no number")
    require(str(int(text)) == text, f"{text} is not spelled shortest")
    return int(text)


def _address(text: str) -> Address:
    try:
        found = parse_address(text, param="address")
    except Rejected as error:
        raise Failed(str(error)) from None
    require(text == address_text(found), f"{text} is not spelled with its checksum")
    return found
