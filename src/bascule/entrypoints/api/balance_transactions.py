"""/v1/balance_transactions: what money did to the balance, one row per booked fact."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from bascule.domain.errors import Rejected
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import Currency, Expandable, Id, Listed, Text200
from bascule.entrypoints.api.shape import Caip2, ListOf, Seconds, Shape, SignedAtomic, SignedDecimal6
from bascule.services import balance_transactions
from bascule.storage.balance_transactions import EVER, Scope
from bascule.storage.database import Connection


class BalanceTransactionList(Listed):
    """Filters of balance transactions."""

    type: Text200 | None = None
    source: Id | None = None
    currency: Currency | None = None
    network: Text200 | None = None


class BalanceTransaction(Shape):
    """What one booked fact did to the balance in one token. The sum of all `net` is what is booked."""

    id: str
    object: Literal["balance_transaction"]
    type: str = Field(description="payment, payout, refund, opening, withdrawal …")
    source: str = Field(description="The deposit, payout or whatever it is of.")
    amount: SignedDecimal6 = Field(description="Before the fee; negative where money left.")
    fee: SignedDecimal6
    net: SignedDecimal6 = Field(description="amount - fee: what the balance moved by.")
    amount_atomic: SignedAtomic
    fee_atomic: SignedAtomic
    net_atomic: SignedAtomic
    decimals: int
    currency: str
    network: Caip2
    token: str
    livemode: bool
    created: Seconds
    effective_at: Seconds = Field(description="When it happened: the time of its block.")


async def list_all(call: Call[BalanceTransactionList], conn: Connection) -> dict[str, Any]:
    """The caller's balance transactions, in the order in which they were booked."""
    params = call.params
    lists.expanding(params, frozenset())
    if params.starting_after is not None and params.ending_before is not None:
        raise Rejected("parameter_invalid", lists.BOTH_CURSORS, param="ending_before")
    since, until = _range(params)
    scope = Scope(
        call.account_id,
        call.livemode,
        type=params.type,
        source=params.source,
        currency=params.currency,
        chain_id=await lists.chain_of(conn, params.network),
        since=since,
        until=until,
    )
    data, more = await balance_transactions.page(
        conn, scope, limit=params.limit, after=params.starting_after, before=params.ending_before
    )
    return lists.envelope(call, data, more=more)


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One balance transaction."""
    lists.expanding(call.params, frozenset())
    return await balance_transactions.describe(conn, call.account_id, call.livemode, call.path["id"])


def _range(params: BalanceTransactionList) -> tuple[datetime, datetime]:
    """From (inclusive) and until (exclusive) of whole seconds."""
    created = {} if params.created is None else params.created.model_dump(exclude_none=True)
    since = max([created.get("gt", -1) + 1, created.get("gte", 0)])
    ends = [created[name] + extra for name, extra in (("lt", 0), ("lte", 1)) if name in created]
    until = min(ends) if ends else None
    return _moment(since), EVER if until is None else _moment(until)


def _moment(seconds: int) -> datetime:
    """The parameters may name a second behind the last that a timestamp can have."""
    return datetime.fromtimestamp(min(seconds, int(EVER.timestamp())), UTC)


_PATH = "/v1/balance_transactions"
_READ = "balance_transactions:read"

OPERATIONS = (
    Operation(
        "GET", _PATH, "list_balance_transactions", "List balance transactions", _READ, list_all,
        BalanceTransactionList, ListOf[BalanceTransaction],
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_balance_transaction", "Read a balance transaction", _READ, retrieve,
        Expandable, BalanceTransaction,
    ),
)  # fmt: skip
