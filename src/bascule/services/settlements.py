"""Settlements as accounts ask for them and call them off; what follows by itself is in `settlement_steps`.

Each use-case runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bascule.domain.errors import Conflict, NotFound
from bascule.domain.ids import Prefix
from bascule.domain.money import TokenAmount
from bascule.domain.payout import PayoutState
from bascule.domain.settlement import SETTLEMENT, Funds, SettlementEvent, takes
from bascule.domain.webhook import EventType
from bascule.services.outbox import Outbox
from bascule.services.payout_request import catalog
from bascule.services.payouts import Payouts
from bascule.services.seams import Clock, Entropy, new_id
from bascule.services.settlement_events import tell
from bascule.storage import audit, balance_settings, balances, payouts, settlements
from bascule.storage.balance_settings import SettingsRow, Subject
from bascule.storage.database import Connection
from bascule.storage.settlements import SettlementRow
from bascule.storage.tokens import Token

RequestContext = Mapping[str, Any] | None
_SET = "POST /v1/balance_settings"


@dataclass(frozen=True)
class Settlements:
    """Use-cases on settlements."""

    clock: Clock
    entropy: Entropy
    outbox: Outbox
    payouts: Payouts

    async def request(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        network: object,
        currency: str,
        token_id: str | None,
        requested_by: str,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """A settlement now, of all that reserve and waiting refunds leave, beside whatever schedule.

        Raises: Rejected, naming the parameter; Conflict `settlement_destination_missing`,
        `settlement_destination_in_cooloff`, `settlement_waits`, `settlement_nothing_due`.
        """
        _, token = (await catalog(conn)).asset(network, currency, token_id, livemode)
        of = Subject(account_id, livemode, token.id)
        settings = await balance_settings.lock(conn, of)
        _require_destination(settings, self.clock)
        if (other := await settlements.waiting(conn, of)) is not None:
            raise Conflict(
                "settlement_waits",
                f"{other.id} of this asset waits for {other.waits_for or 'its turn'}; it takes all there is.",
                next_step=f"Read {other.id}, or call it off first.",
            )
        assert settings is not None, "without settings there is no destination"
        amount = await _require_due(conn, settings, token)
        row = await settlements.insert(
            conn, new_id(Prefix.SETTLEMENT, self.clock, self.entropy), of, amount=amount, due_at=None,
            requested_by=requested_by, created_at=self.clock.now(),
        )  # fmt: skip
        assert row is not None, "none waits, and the settings are locked"
        await self._note(conn, row, requested_by, EventType.SETTLEMENT_SCHEDULED, context)
        return await tell(conn, self.outbox, EventType.SETTLEMENT_SCHEDULED, row, request=context)

    async def cancel(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        settlement_id: str,
        requested_by: str,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """Calls a settlement off, with its payout while that is in no signed batch.

        What the vault paid under its number before a restore is seen by the next. Raises: Conflict by state.
        """
        row = await own(conn, settlement_id, account_id, livemode, lock=True)
        SETTLEMENT.step(row.state, SettlementEvent.CANCEL)
        if row.payout_id is not None:
            await self._cancel_payout(conn, row, row.payout_id, requested_by, context)
        ended = await settlements.advance(conn, row, SettlementEvent.CANCEL, self.clock.now())
        await self._note(conn, ended, requested_by, EventType.SETTLEMENT_CANCELED, context)
        return await tell(
            conn, self.outbox, EventType.SETTLEMENT_CANCELED, ended, before=row, request=context
        )  # fmt: skip

    async def _cancel_payout(
        self, conn: Connection, row: SettlementRow, payout_id: str, requested_by: str, context: RequestContext
    ) -> None:
        payout = await payouts.lock(conn, payout_id)
        assert payout is not None, "a settlement's payout is for ever"
        if payout.state not in (PayoutState.REQUIRES_ACTION, PayoutState.PENDING):
            raise Conflict(
                "settlement_unexpected_state",
                f"The settlement's payout is {payout.state}; it cannot be called off any more.",
                next_step="Read the settlement again later; only the chain decides now.",
            )
        await self.payouts.cancel(
            conn, account_id=row.account_id, livemode=row.livemode, payout_id=payout_id,
            requested_by=requested_by, context=context,
        )  # fmt: skip

    async def _note(
        self, conn: Connection, row: SettlementRow, actor: str, what: EventType, context: RequestContext
    ) -> None:
        await audit.append(
            conn,
            actor=actor,
            action=str(what),
            object_id=row.id,
            details={"token": row.token_id, "period": row.period},
            request_id=None if context is None else context.get("id"),
        )


async def own(
    conn: Connection, settlement_id: str, account_id: str, livemode: bool, *, lock: bool = False
) -> SettlementRow:
    """The account's settlement. Raises: NotFound, also when it is another's."""
    row = await (settlements.lock(conn, settlement_id) if lock else settlements.get(conn, settlement_id))
    if row is None or (row.account_id, row.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such settlement: {settlement_id!r:.70}.", param="id")
    return row


def _require_destination(settings: SettingsRow | None, clock: Clock) -> None:
    if settings is None or settings.destination_from is None:
        raise Conflict(
            "settlement_destination_missing",
            "The balance settings name no address that this asset is settled to.",
            next_step=f"Name one by {_SET}.",
        )
    if settings.destination_from > clock.now():
        raise Conflict(
            "settlement_destination_in_cooloff",
            f"The address is paid from {settings.destination_from:%Y-%m-%d %H:%M:%S} UTC on.",
            next_step=f"Wait until then; if the address is not yours, name another by {_SET}.",
        )


async def _require_due(conn: Connection, settings: SettingsRow, token: Token) -> int:
    funds = await funds_of(conn, settings.subject)
    amount = takes(funds, reserve=settings.keeps, least=settings.minimum)
    if not amount:
        left = TokenAmount(funds.beyond(settings.keeps), token.asset).display()
        least = TokenAmount(settings.minimum, token.asset).display()
        raise Conflict(
            "settlement_nothing_due",
            f"Reserve and waiting refunds leave {left} {token.currency.upper()} to be settled;"
            f" the minimum is {least}.",
            next_step=f"Wait for more, or lower reserve or minimum by {_SET}.",
        )
    return amount


async def funds_of(conn: Connection, of: Subject) -> Funds:
    """What the account has to be settled now."""
    return Funds(
        available=await balances.available(conn, of.account_id, of.token_id),
        promised=await settlements.promised(conn, of.account_id, of.token_id),
    )
