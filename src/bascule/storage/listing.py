"""Lists composed at run time: filters, keyset pages and ranges, without one string of SQL being joined.

Statements are built with SQLAlchemy Core over the table metadata below, compiled, and run on the caller's
psycopg connection. A test compares the metadata with the migrated schema.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Select,
    Table,
    Text,
    select,
)
from sqlalchemy import tuple_ as row_of
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.elements import ColumnElement

from bascule.domain.errors import NotFound, Rejected
from bascule.storage.database import Connection
from bascule.storage.statements import Statement, execute

METADATA = MetaData()
_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


def _when(name: str = "created_at") -> Column[datetime]:
    return Column(name, DateTime(timezone=True))


ACCOUNTS = Table("accounts", METADATA, Column("id", Text), _when())
API_KEYS = Table(
    "api_keys", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("kind", Text), Column("member_id", Text), _when(),
)  # fmt: skip
AUDIT_LOG = Table(
    "audit_log", METADATA, Column("id", BigInteger), Column("actor", Text), Column("action", Text),
    Column("object_id", Text), Column("at", DateTime(timezone=True), key="created_at"),
)  # fmt: skip
MEMBERS = Table(
    "members", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("email", Text), Column("removed_at", DateTime(timezone=True)), _when(),
)  # fmt: skip
PAYMENT_INTENTS = Table(
    "payment_intents", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("state", Text), Column("currency", Text), Column("client_reference_id", Text),
    Column("due", Numeric), Column("metadata", JSONB), _when(),
)  # fmt: skip
CHECKOUT_SESSIONS = Table(
    "checkout_sessions", METADATA, Column("id", Text), Column("account_id", Text),
    Column("livemode", Boolean), Column("payment_intent_id", Text), _when(),
)  # fmt: skip
DEPOSITS = Table(
    "deposits", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("state", Text), Column("chain_id", BigInteger), Column("tx_hash", LargeBinary),
    Column("dst", LargeBinary), Column("token_id", Text), _when(),
)  # fmt: skip
DEPOSIT_ADDRESSES = Table(
    "deposit_addresses", METADATA, Column("chain_id", BigInteger), Column("address", LargeBinary),
    Column("intent_id", Text),
)  # fmt: skip
APPLICATIONS = Table(
    "applications", METADATA, Column("deposit_id", Text), Column("intent_id", Text),
    Column("chosen", Boolean),
)  # fmt: skip
PAYOUTS = Table(
    "payouts", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("state", Text), Column("client_reference_id", Text), Column("destination", LargeBinary),
    Column("chain_id", BigInteger), Column("token_id", Text), Column("destination_id", Text),
    Column("batch_id", Text), _when(),
)  # fmt: skip
PAYOUT_BATCHES = Table(
    "payout_batches", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("state", Text), _when(),
)  # fmt: skip
DESTINATIONS = Table(
    "destinations", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("chain_id", BigInteger), Column("address", LargeBinary), _when(),
)  # fmt: skip
MANDATES = Table(
    "mandates", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("state", Text), Column("destination", Text), _when(),
)  # fmt: skip
QUOTES = Table(
    "quotes", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    _when(),
)  # fmt: skip
REFUNDS = Table(
    "refunds", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("state", Text), Column("payment_intent_id", Text), Column("deposit_id", Text),
    Column("client_reference_id", Text), _when(),
)  # fmt: skip
INVOICES = Table(
    "invoices", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("state", Text), Column("type", Text), Column("client_reference_id", Text), _when(),
)  # fmt: skip
SETTLEMENTS = Table(
    "settlements", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("state", Text), Column("token_id", Text), _when(),
)  # fmt: skip
POLICIES = Table(
    "policies", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("token_id", Text), _when(),
)  # fmt: skip
EVENTS = Table(
    "events", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("account_sequence", BigInteger), Column("type", Text), Column("object_id", Text), _when(),
)  # fmt: skip
WEBHOOK_ENDPOINTS = Table(
    "webhook_endpoints", METADATA, Column("id", Text), Column("account_id", Text),
    Column("livemode", Boolean), Column("state", Text), _when(),
)  # fmt: skip
REPORT_RUNS = Table(
    "report_runs", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("state", Text), Column("type", Text), _when(),
)  # fmt: skip
DELIVERIES = Table(
    "deliveries", METADATA, Column("id", Text), Column("event_id", Text), Column("endpoint_id", Text),
    Column("state", Text), _when(),
)  # fmt: skip

BREAKS = Table(
    "breaks", METADATA, Column("id", Text), Column("livemode", Boolean), Column("state", Text),
    Column("type", Text), Column("token_id", Text),
    Column("opened_at", DateTime(timezone=True), key="created_at"),
)  # fmt: skip

SCREENINGS = Table(
    "screenings", METADATA, Column("id", Text), Column("livemode", Boolean), Column("state", Text),
    Column("deposit_id", Text), Column("payout_id", Text), _when(),
)  # fmt: skip

RECONCILIATION_RUNS = Table(
    "reconciliation_runs", METADATA, Column("id", Text), Column("livemode", Boolean), _when()
)


REQUESTS = Table(
    "requests", METADATA, Column("id", Text), Column("account_id", Text), Column("livemode", Boolean),
    Column("method", Text), Column("path", Text), Column("status", Integer), _when(),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """Ids of one page in the order asked for, and whether more follow in that direction."""

    ids: list[str]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is asked for. created: any of gt, gte, lt, lte → unix seconds; after, before: ids."""

    limit: int = 10
    after: str | None = None
    before: str | None = None
    created: Mapping[str, int] = field(default_factory=dict)


async def page(
    conn: Connection, table: Table, scope: Sequence[ColumnElement[bool]],
    filters: Sequence[ColumnElement[bool]], wanted: Wanted, *, after_param: str = "starting_after",
) -> Page:  # fmt: skip
    """The newest first. scope: what the caller may see, which a cursor must lie in too.

    after_param: what the caller calls `wanted.after`.

    Raises: NotFound when a cursor names nothing in scope; Rejected when both cursors are given.
    """
    if wanted.after is not None and wanted.before is not None:
        raise Rejected(
            "parameter_invalid", "Give starting_after or ending_before, not both.", param="ending_before"
        )
    key = row_of(table.c.created_at, table.c.id)
    statement = select(table.c.id).where(*scope, *filters, *_in_range(table, wanted.created))
    if wanted.after is not None:
        statement = statement.where(key < await _cursor(conn, table, scope, wanted.after, after_param))
    if wanted.before is not None:
        statement = statement.where(key > await _cursor(conn, table, scope, wanted.before, "ending_before"))
        statement = statement.order_by(table.c.created_at, table.c.id)
    else:
        statement = statement.order_by(table.c.created_at.desc(), table.c.id.desc())
    ids = [row[0] for row in await run(conn, statement.limit(wanted.limit + 1))]
    found = ids[: wanted.limit]
    return Page(found[::-1] if wanted.before is not None else found, len(ids) > wanted.limit)


async def _cursor(
    conn: Connection, table: Table, scope: Sequence[ColumnElement[bool]], id: str, param: str
) -> Any:
    same = table.c.id == table.c.id.type.python_type(id)
    rows = await run(conn, select(table.c.created_at, table.c.id).where(*scope, same))
    if not rows:
        raise NotFound("resource_missing", f"The list has nothing with the id {id!r:.70}.", param=param)
    return row_of(*rows[0])


def _in_range(table: Table, created: Mapping[str, int]) -> list[ColumnElement[bool]]:
    column = table.c.created_at
    found: list[ColumnElement[bool]] = []
    for bound, seconds in created.items():
        moment = _moment(seconds, f"created.{bound}")
        match bound:
            case "gt":
                found.append(column > moment)
            case "gte":
                found.append(column >= moment)
            case "lt":
                found.append(column < moment)
            case _:
                found.append(column <= moment)
    return found


def _moment(seconds: int, param: str) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise Rejected("parameter_invalid", "Unix seconds are expected.", param=param) from None


async def run(conn: Connection, statement: Select[Any]) -> list[tuple[Any, ...]]:
    """The rows of a composed statement."""
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    text = Statement(str(compiled).encode(), tuple(compiled.positiontup or ()))
    return (await execute(conn, text, compiled.params)).tuples()
