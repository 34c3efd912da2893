"""What becomes of settlements by themselves: a due time makes one, which is paid, and ends as its payout.

Runs in the caller's transaction, on one asset or settlement at a time. The payout's identity is the account,
the asset and the number of the period, so that whatever dies or is restored, a period is paid once or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bascule.domain.chain import Address
from bascule.domain.errors import Rejected
from bascule.domain.ids import Prefix
from bascule.domain.money import TokenAmount
from bascule.domain.payout import PayoutState
from bascule.domain.settlement import LOOK_AGAIN, SettlementEvent, SettlementState, takes
from bascule.domain.webhook import EventType
from bascule.services import lost_settlements
from bascule.services.outbox import Outbox
from bascule.services.payout_request import PayoutRequest, PayoutTerms
from bascule.services.payouts import Payouts
from bascule.services.seams import Clock, Entropy, new_id
from bascule.services.settlement_events import tell
from bascule.services.settlement_view import COOL_OFF, LANE_CLOSED, NO_DESTINATION, RECOVERED
from bascule.services.settlements import funds_of
from bascule.storage import (
    balance_settings,
    destinations,
    lanes,
    networks,
    payouts,
    runs,
    settlements,
    spending,
    tokens,
)
from bascule.storage.balance_settings import SettingsRow, Subject
from bascule.storage.database import Connection
from bascule.storage.payouts import PayoutRow
from bascule.storage.settlements import SettlementRow
from bascule.storage.tokens import Token

ACTOR = "process:worker"
TAKEN = "payout_identity_used"  # by a payout of the account's own; the next period has another identity


@dataclass(frozen=True)
class SettlementSteps:
    """The next step of an asset's schedule, and of a settlement."""

    clock: Clock
    entropy: Entropy
    outbox: Outbox
    payouts: Payouts

    async def fall_due(self, conn: Connection, of: Subject) -> bool:
        """What a due time asks for, once; False when none has come. Several that were missed are one."""
        settings, now = await balance_settings.lock(conn, of), self.clock.now()
        if settings is None or settings.next_run_at is None or settings.next_run_at > now:
            return False
        outcome = await self._schedule(conn, settings, settings.next_run_at)
        await balance_settings.ran(
            conn, of, at=settings.next_run_at, outcome=outcome, next_run_at=settings.when.next_after(now)
        )
        return True

    async def _schedule(self, conn: Connection, settings: SettingsRow, due_at: datetime) -> str:
        of = settings.subject
        if await settlements.waiting(conn, of) is not None:  # which takes what this one would
            return "still_waiting"
        least = max(settings.minimum, settings.threshold or 0)
        amount = takes(await funds_of(conn, of), reserve=settings.keeps, least=least)
        name = f"settlement {of.account_id} {'live' if of.livemode else 'test'} {of.token_id}"
        if not amount or not await runs.claim(conn, name, due_at):
            return "nothing_due"
        made = await settlements.insert(
            conn, new_id(Prefix.SETTLEMENT, self.clock, self.entropy), of, amount=amount, due_at=due_at,
            requested_by=ACTOR, created_at=self.clock.now(),
        )  # fmt: skip
        assert made is not None, "none waits, and the settings are locked"
        await tell(conn, self.outbox, EventType.SETTLEMENT_SCHEDULED, made)
        return "scheduled"

    async def proceed(self, conn: Connection, settlement_id: str) -> bool:
        """Does what is due for one settlement; False when there is nothing to do, or no change to tell."""
        row = await settlements.lock(conn, settlement_id)
        if row is None or row.state is not SettlementState.SCHEDULED:
            return False
        if row.payout_id is not None:
            payout = await payouts.get(conn, row.payout_id)
            assert payout is not None, "a settlement's payout is for ever"
            return await self._follow(conn, row, payout)
        if row.look_at is not None and row.look_at > self.clock.now():
            return False
        return await self._pay(conn, row)

    async def _pay(self, conn: Connection, row: SettlementRow) -> bool:
        """The payout with its hold; or why not yet, or that nothing is left of it."""
        settings, now = await balance_settings.lock(conn, row.subject), self.clock.now()
        assert settings is not None, "a settlement's settings are for ever"
        token = await tokens.get(conn, row.token_id)
        assert token is not None, "a settlement's token is for ever"
        if settings.destination is None or settings.destination_from is None:
            return await self._put_off(conn, row, NO_DESTINATION, now + LOOK_AGAIN)
        if settings.destination_from > now:
            return await self._put_off(conn, row, COOL_OFF, settings.destination_from)
        if any(name.startswith(f"{token.chain_id}/") for name in await lanes.closed(conn)):
            return await self._put_off(conn, row, LANE_CLOSED, now + LOOK_AGAIN)
        if await lost_settlements.unresolved(conn, row):
            return await self._put_off(conn, row, RECOVERED, now + LOOK_AGAIN)
        if await lost_settlements.is_known(conn, row):  # and a person has dealt with it: the next number
            return await self._end(conn, row, SettlementEvent.CANCEL, EventType.SETTLEMENT_CANCELED)
        try:
            async with conn.transaction():
                payout_id = await self._place(conn, row, token, settings, settings.destination)
        except Rejected as error:
            return await self._refused(conn, row, error.code)
        if payout_id is None:
            return await self._end(conn, row, SettlementEvent.CANCEL, EventType.SETTLEMENT_CANCELED)
        given = await settlements.give_payout(conn, row.id, payout_id)
        await tell(conn, self.outbox, EventType.SETTLEMENT_UPDATED, given, before=row)
        return True

    async def _place(
        self, conn: Connection, row: SettlementRow, token: Token, settings: SettingsRow, to: Address
    ) -> str | None:
        """The payout of all that the reserve leaves; None when that is not enough any more."""
        network = await networks.get(conn, token.chain_id)
        if network is None or network.vault is None:
            raise Rejected("network_unsupported", "No payouts are made on the network of this asset.")
        if settings.destination_id is not None:
            entry = await destinations.get(conn, settings.destination_id)
            if entry is None or entry.archived_at is not None:
                raise Rejected("destination_unknown", "The address is in the address book no more.")
        # counted first, as every payout is: what is available now is nobody else's until the end
        await spending.serialize_spending(conn, row.account_id, row.token_id)
        units = takes(
            await funds_of(conn, row.subject), reserve=settings.keeps, least=settings.minimum
        )  # fmt: skip
        if not units:
            return None
        await settlements.aim(conn, row.id, amount=units, destination=to)
        amount = TokenAmount(units, token.asset)
        request = PayoutRequest(
            amount=amount.display(),
            currency=token.currency,
            network=token.chain_id,
            destination=to,
            description=f"Settlement {row.id}, period {row.period}",
            kind="settlement",
            metadata={"settlement": row.id},
        )
        terms = PayoutTerms(network, Address(network.vault), token, amount, to, settings.destination_id)
        return await self.payouts.place(
            conn, account_id=row.account_id, livemode=row.livemode, identity=row.identity, request=request,
            terms=terms, requested_by=ACTOR,
        )  # fmt: skip

    async def _refused(self, conn: Connection, row: SettlementRow, code: str) -> bool:
        """It waits for whatever refused it; what can never be ends."""
        if code == TAKEN:
            return await self._fail(conn, row, code)
        return await self._put_off(conn, row, code, self.clock.now() + LOOK_AGAIN)

    async def _put_off(self, conn: Connection, row: SettlementRow, reason: str, look_at: datetime) -> bool:
        waiting = await settlements.put_off(conn, row.id, reason, look_at)
        if waiting.waits_for == row.waits_for:
            return False
        await tell(conn, self.outbox, EventType.SETTLEMENT_UPDATED, waiting, before=row)
        return True

    async def _follow(self, conn: Connection, row: SettlementRow, payout: PayoutRow) -> bool:
        match payout.state:
            case PayoutState.PAID:
                return await self._end(conn, row, SettlementEvent.COMPLETE, EventType.SETTLEMENT_COMPLETED)
            case PayoutState.FAILED:
                return await self._fail(conn, row, payout.failure_code or "payout_failed")
            case PayoutState.CANCELED:
                return await self._fail(conn, row, payout.failure_code or "payout_canceled")
            case _:
                return False

    async def _end(
        self, conn: Connection, row: SettlementRow, event: SettlementEvent, type: EventType
    ) -> bool:
        ended = await settlements.advance(conn, row, event, self.clock.now())
        await tell(conn, self.outbox, type, ended, before=row)
        return True

    async def _fail(self, conn: Connection, row: SettlementRow, code: str) -> bool:
        ended = await settlements.advance_to_failed(conn, row, code, self.clock.now())
        await tell(conn, self.outbox, EventType.SETTLEMENT_FAILED, ended, before=row)
        return True
