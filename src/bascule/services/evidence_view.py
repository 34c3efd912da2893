"""A deposit's evidence as the API shows it: the claims, what proves them, and what does not."""

from collections.abc import Mapping
from typing import Any

from bascule.chain import deposit_evidence
from bascule.domain.chain import hex32
from bascule.storage.deposit_proofs import Found


def described(deposit: Mapping[str, Any], found: Found) -> dict[str, Any]:
    """The evidence as the API shows it. deposit: as the API shows it."""
    names = ("network", "from", "to", "amount_atomic", "tx_hash", "log_index")
    block = ("block_number", "block_hash", "block_time")
    beyond = deposit_evidence.BEYOND_THE_PROOF if found.proof else deposit_evidence.BEYOND_THE_AGREEMENT
    shown = {
        "object": "deposit_evidence",
        "version": 1,
        "deposit": deposit["id"],
        "claims": {
            "token": deposit["contract"],
            **{name: deposit[name] for name in (*names, *block)},
        },
        "verified": found.verified,
        "proof": found.proof,
        "agreement": None if found.agreement is None else hex32(found.agreement),
        "finality": found.finality,
        "nodes": found.nodes,
        "proven_at": int(found.proven_at.timestamp()),
        "not_proven": list(beyond),
    }
    return shown | {"checksum": deposit_evidence.checksum(shown)}
