"""What only the operator's keys may ask for."""

from __future__ import annotations

from typing import Any

from bascule.domain.errors import Forbidden
from bascule.entrypoints.api.operation import Call
from bascule.storage import accounts
from bascule.storage.database import Connection


async def require_operator(call: Call[Any], conn: Connection, why: str) -> None:
    """Raises: Forbidden `operator_only`, saying why, for every other account's keys."""
    operator = await accounts.operator(conn)
    if operator is None or operator.id != call.account_id:
        raise Forbidden("operator_only", why)
