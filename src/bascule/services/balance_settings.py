"""What an account says of its money: when an asset is settled, what stays, and to which address it goes.

Each use-case runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bascule.domain.chain import Address, caip2, checksum
from bascule.domain.errors import Rejected
from bascule.domain.money import TokenAmount, parse_amount
from bascule.domain.settlement import Interval, Schedule
from bascule.domain.webhook import EventType
from bascule.services import policy
from bascule.services.outbox import Outbox
from bascule.services.payout_request import catalog, read_payee, require_foreign
from bascule.services.seams import Clock
from bascule.storage import audit, balance_settings, tokens
from bascule.storage.balance_settings import NewSettings, SettingsRow, Subject
from bascule.storage.database import Connection
from bascule.storage.tokens import Token

RequestContext = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class SettingsRequest:
    """The parameters as they came, of the right types; what is left out is not limited.

    network: CAIP-2; token: tok_…, where needed; threshold, reserve, minimum: amounts; reserve_bps: 0 to
    10,000; to: an address, or wal_… of the address book.
    """

    network: object
    currency: str
    interval: Interval
    token: str | None = None
    weekday: str | None = None
    hour: int = 0
    threshold: object = None
    reserve: object = None
    reserve_bps: int = 0
    minimum: object = None
    to: object = None


@dataclass(frozen=True)
class BalanceSettings:
    """Use-cases on balance settings. cool_off: how long an address that is new is not paid."""

    clock: Clock
    outbox: Outbox
    cool_off: timedelta

    async def set(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        request: SettingsRequest,
        actor: str,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """All that is said of one asset from now on; another address begins its cool-off.

        Raises: Rejected, naming the parameter.
        """
        new, before = await self._read(conn, account_id, livemode, request, actor)
        row = await balance_settings.put(conn, new)
        token = await tokens.get(conn, row.token_id)
        assert token is not None, "it was read a moment ago"
        await audit.append(
            conn,
            actor=actor,
            action=str(EventType.BALANCE_SETTINGS_UPDATED),
            object_id=account_id,
            details={
                "livemode": livemode,
                "before": None if before is None else _said(before, token),
                "now": _said(row, token),
            },
            request_id=None if context is None else context.get("id"),
        )
        shown = await describe(conn, account_id, livemode)
        await self.outbox.append(
            conn,
            account_id=account_id,
            livemode=livemode,
            type=EventType.BALANCE_SETTINGS_UPDATED,
            object_id=account_id,
            object_version=sum(each["version"] for each in shown["settlements"]),
            object=shown,
            request=context,
        )
        return shown

    async def _read(
        self, conn: Connection, account_id: str, livemode: bool, request: SettingsRequest, actor: str
    ) -> tuple[NewSettings, SettingsRow | None]:
        now = self.clock.now()
        network, token = (await catalog(conn)).asset(
            request.network, request.currency, request.token, livemode
        )
        threshold = _units(request.threshold, token, "threshold")
        when = Schedule(request.interval, request.weekday, request.hour, threshold)
        before = await balance_settings.lock(conn, Subject(account_id, livemode, token.id))
        to, entry = await self._payee(conn, account_id, livemode, request, network.chain_id)
        return (
            NewSettings(
                account_id=account_id,
                livemode=livemode,
                token_id=token.id,
                schedule=when.interval,
                weekday=when.weekday,
                hour=when.hour,
                threshold=threshold,
                reserve=_units(request.reserve, token, "reserve") or 0,
                reserve_bps=request.reserve_bps,
                minimum=_units(request.minimum, token, "minimum") or 0,
                destination=to,
                destination_id=entry,
                destination_from=self._usable_from(before, to, now),
                updated_by=actor,
                updated_at=now,
                next_run_at=when.next_after(now),
            ),
            before,
        )

    async def _payee(
        self, conn: Connection, account_id: str, livemode: bool, request: SettingsRequest, chain_id: int
    ) -> tuple[Address | None, str | None]:
        if request.to is None:
            if request.interval is not Interval.MANUAL:
                raise Rejected(
                    "parameter_missing",
                    "What is settled by itself needs an address to go to.",
                    param="to",
                    next_step="Give an address of yours, or an entry of the address book.",
                )
            return None, None
        to, entry = await read_payee(conn, request.to, chain_id, account_id=account_id, livemode=livemode)
        await require_foreign(conn, chain_id, to)
        if (whose := await policy.denied_by_any(conn, account_id, livemode, to)) is not None:
            raise Rejected("destination_denylisted", f"{checksum(to)} is on {whose}'s denylist.", param="to")
        return to, entry

    def _usable_from(
        self, before: SettingsRow | None, to: Address | None, now: datetime
    ) -> datetime | None:  # fmt: skip
        if to is None:
            return None
        if before is not None and before.destination == to:
            return before.destination_from
        return now + self.cool_off


async def describe(conn: Connection, account_id: str, livemode: bool) -> dict[str, Any]:
    """All that an account says, by asset; an asset nothing is said of is settled never."""
    known = {token.id: token for token in await tokens.every(conn)}
    rows = await balance_settings.of_account(conn, account_id, livemode)
    return {
        "object": "balance_settings",
        "settlements": [_shown(row, known[row.token_id]) for row in rows],
        "livemode": livemode,
    }


def _shown(row: SettingsRow, token: Token) -> dict[str, Any]:
    return {
        **_said(row, token),
        "next_run_at": _seconds(row.next_run_at),
        "last_run": None
        if row.last_run_at is None
        else {"at": _seconds(row.last_run_at), "outcome": row.last_outcome},
        "updated_by": row.updated_by,
        "updated": _seconds(row.updated_at),
        "version": row.version,
    }


def _said(row: SettingsRow, token: Token) -> dict[str, Any]:
    def amount(units: int) -> str:
        return TokenAmount(units, token.asset).display()

    return {
        "token": token.id,
        "network": caip2(token.chain_id),
        "currency": token.currency,
        "schedule": {
            "interval": row.schedule.value,
            "weekday": row.weekday,
            "hour": row.hour,
            "threshold": None if row.threshold is None else amount(row.threshold),
        },
        "reserve": amount(row.reserve),
        "reserve_bps": row.reserve_bps,
        "minimum": amount(row.minimum),
        "destination": None
        if row.destination is None
        else {
            "to": checksum(row.destination),
            "entry": row.destination_id,
            "usable_from": _seconds(row.destination_from),
        },
    }


def _units(text: object, token: Token, param: str) -> int | None:
    if text is None:
        return None
    return parse_amount(text, token.currency, param=param).to_token(token.asset, param=param).units


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
