"""Suspending tokens and taking them back, with what is told of it.

A token is suspended by what it says itself (`TokenWatch`), by balances that do not follow its logs
(`BalanceCheck`), or by an operator. What arrives meanwhile stays detected and is booked once it is resumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from bascule.domain.chain import caip2, checksum
from bascule.domain.webhook import EventType
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock
from bascule.storage import accounts, networks, suspensions
from bascule.storage.database import Connection
from bascule.storage.suspensions import Suspension
from bascule.storage.tokens import Token

_log = structlog.get_logger()
BY_CHAIN = "chain"


@dataclass(frozen=True)
class Suspending:
    """Writes suspensions in the caller's transaction, and tells the operator."""

    clock: Clock
    outbox: Outbox

    async def suspend(self, conn: Connection, token: Token, cause: str, evidence: Mapping[str, Any]) -> bool:
        """The token is suspended for this cause when this returns; False when it was before."""
        opened = await suspensions.open(conn, token.id, cause, evidence, self.clock.now())
        if opened is None:
            return False
        _log.error("token suspended", token=token.id, currency=token.currency, cause=cause, **evidence)
        await self._tell(conn, EventType.TOKEN_SUSPENDED, token, opened, 1, cause, evidence)
        return True

    async def resume(
        self, conn: Connection, token: Token, *, by: str, reason: str, cause: str | None = None
    ) -> list[Suspension]:
        """Ends what stands against the token, of one cause only if it is named; what that was."""
        ended = await suspensions.close(
            conn, token.id, cause=cause, by=by, reason=reason, at=self.clock.now()
        )
        for each in ended:
            _log.warning("token resumed", token=token.id, cause=each.cause, by=by, reason=reason)
            evidence = {"by": by, "reason": reason}
            await self._tell(conn, EventType.TOKEN_RESUMED, token, each.id, 2, each.cause, evidence)
        return ended

    async def _tell(
        self,
        conn: Connection,
        type: EventType,
        token: Token,
        suspension: int,
        version: int,
        cause: str,
        evidence: Mapping[str, Any],
    ) -> None:
        operator = await accounts.operator(conn)
        network = await networks.get(conn, token.chain_id)
        if operator is None or network is None:
            return
        await self.outbox.append(
            conn,
            account_id=operator.id,
            livemode=network.livemode,
            type=type,
            object_id=f"{token.id}/{suspension}",
            object_version=version,
            object={
                "id": token.id,
                "object": "token",
                "network": caip2(token.chain_id),
                "contract": checksum(token.contract),
                "currency": token.currency,
                "cause": cause,
                "evidence": dict(evidence),
            },
        )
