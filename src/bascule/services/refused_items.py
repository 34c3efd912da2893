"""Whether a payout that the signer refuses waits as it is, or is asked about anew."""

from __future__ import annotations

from bascule.services import lost_bytes
from bascule.services.item_rules import WAIT
from bascule.storage.database import Connection

SIGNER_REFUSES = "signer_refuses:"  # and the code


async def why_it_waits(conn: Connection, chain_id: int, code: str) -> str | None:
    """Why it keeps its hold; None: its approvals lapse, and it gives its hold back.

    While bytes of before a restore may pay it, nobody else may have its money.
    """
    if code in WAIT:
        return SIGNER_REFUSES + code
    return None if await lost_bytes.may_run(conn, chain_id) is None else lost_bytes.UNSETTLED
