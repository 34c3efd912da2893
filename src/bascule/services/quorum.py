"""Whether enough different members of a roster signed a text."""

from __future__ import annotations

from collections.abc import Iterable

from bascule.chain.signatures import recover
from bascule.domain.chain import Hash
from bascule.domain.errors import Rejected
from bascule.storage.signer_rosters import Roster


def why_not(digest: Hash, signatures: Iterable[bytes], roster: Roster) -> str | None:
    """The code of what is missing; None: `roster.threshold` members, and nobody else, signed `digest`."""
    try:
        signers = {recover(digest, signature) for signature in signatures}
    except Rejected:
        return "signature_invalid"
    if not signers <= roster.members:
        return "approver_unknown"
    return None if len(signers) >= roster.threshold else "approvals_missing"
