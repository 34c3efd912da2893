"""What reports there are: what one row of each is, and its columns. The rows are made by the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bascule.domain.errors import Rejected
from bascule.domain.travel_rule import LONGEST

DAYS_MAX = 3_660


class Kind(StrEnum):
    """What a column holds. Amounts are exact decimals of the token, times are UTC."""

    TEXT = "text"
    WHOLE = "whole"
    AMOUNT = "amount"
    TIME = "time"


class Format(StrEnum):
    """How a file is written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Period(StrEnum):
    """What a threshold counts together: nothing, or what one counterparty moved within 24 hours."""

    SINGLE = "single"
    DAY = "day"


class Direction(StrEnum):
    """Deposits, payouts, or both."""

    IN = "in"
    OUT = "out"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which amount a jurisdiction asks for something. exceeds: only above it.

    worth: of one unit of a token's currency in the threshold's; decimal texts, as the threshold is. asks: for
    what; source: where that stands.
    """

    rule: str
    jurisdiction: str
    threshold: str
    threshold_currency: str
    period: Period
    direction: Direction
    exceeds: bool
    worth: Mapping[str, str]
    asks: str
    source: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a report."""

    name: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class ReportType:
    """A report. grain: what one row is; whole: made by one statement, as rows depend on those before."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    operator_only: bool = False
    whole: bool = False


def _amounts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.AMOUNT) for name in names)


ASSET = (Column("network"), Column("currency"), Column("token"))
FACT = (Column("id"), Column("type"), Column("source"), Column("effective_at", Kind.TIME))

TYPES = (
    ReportType(
        "balance",
        "an asset: its opening, what each type of fact moved, its closing",
        (
            *ASSET,
            *_amounts("opening", "payments", "payouts", "refunds", "fees", "other", "closing"),
        ),
        whole=True,
    ),
    ReportType(
        "activity",
        "a balance transaction",
        (
            *FACT,
            Column("recorded_at", Kind.TIME),
            *ASSET,
            *_amounts("gross", "fee", "net"),
            Column("payment_intent"),
            Column("client_reference_id"),
            Column("counterparty"),
            Column("transaction_hash"),
            Column("block_number", Kind.WHOLE),
            Column("description"),
        ),
    ),
    ReportType(
        "payouts",
        "a payout that was paid",
        (
            Column("id"),
            Column("paid_at", Kind.TIME),
            *ASSET,
            *_amounts("amount"),
            Column("destination"),
            Column("vault"),
            Column("transaction_hash"),
            Column("batch"),
            Column("client_reference_id"),
            Column("requested_at", Kind.TIME),
            Column("description"),
        ),
    ),
    ReportType(
        "fees",
        "a fee: the platform's of a balance transaction, or the network's of a transaction of ours",
        (*FACT, Column("transaction_hash"), *ASSET, *_amounts("fee")),
    ),
    ReportType(
        "statement",
        "an asset's opening, one of its balance transactions with the balance behind it, or its closing",
        (*ASSET, *FACT, *_amounts("gross", "fee", "net", "balance")),
        whole=True,
    ),
    ReportType(
        "journal",
        "a posted entry; debits and credits of a transaction are equal",
        (
            Column("transaction", Kind.WHOLE),
            Column("entry", Kind.WHOLE),
            Column("effective_at", Kind.TIME),
            Column("recorded_at", Kind.TIME),
            Column("type"),
            Column("source"),
            Column("account"),
            Column("gl_number"),
            Column("gl_name"),
            *ASSET,
            *_amounts("debit", "credit"),
        ),
        operator_only=True,
    ),
    ReportType(
        "travel_rule",
        "a deposit that was applied or a payout that was paid, and what is recorded of who pays whom in it",
        (
            Column("direction"),
            Column("id"),
            Column("of"),
            Column("account"),
            Column("effective_at", Kind.TIME),
            *ASSET,
            *_amounts("amount"),
            Column("from_address"),
            Column("to_address"),
            Column("transaction_hash"),
            *(Column(f"originator_{field}") for field in LONGEST),
            *(Column(f"beneficiary_{field}") for field in LONGEST),
        ),
        operator_only=True,
    ),
    ReportType(
        "thresholds",
        "a transfer that reaches a threshold, alone or with its counterparty's others of 24 hours",
        (
            Column("jurisdiction"),
            Column("rule"),
            *_amounts("threshold"),
            Column("threshold_currency"),
            Column("period"),
            Column("direction"),
            Column("id"),
            Column("account"),
            Column("effective_at", Kind.TIME),
            *ASSET,
            *_amounts("amount", "rate", "value", "value_in_period"),
            Column("counterparty"),
            Column("transaction_hash"),
            Column("asks"),
            Column("rule_source"),
        ),
        operator_only=True,
        whole=True,
    ),
)
BY_NAME = {each.name: each for each in TYPES}


@dataclass(frozen=True, slots=True)
class Interval:
    """Effective time, from (inclusive) and until (exclusive). Raises: Rejected `interval_invalid`."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise Rejected("interval_invalid", "The interval ends before it begins.", param="interval_end")
        if (self.until - self.since).days > DAYS_MAX:
            raise Rejected(
                "interval_invalid", f"At most {DAYS_MAX} days at once are reported.", param="interval_end"
            )


def of_name(name: str) -> ReportType:
    """The report of this name. Raises: Rejected `report_type_unknown`."""
    if name not in BY_NAME:
        known = ", ".join(BY_NAME)
        raise Rejected("report_type_unknown", f"No report {name!r:.50}; there are {known}.", param="type")
    return BY_NAME[name]
