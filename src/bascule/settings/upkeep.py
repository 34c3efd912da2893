"""What is done by the clock: how often, from which amount on, and how long it may wait."""

# ruff: noqa: RUF009 - `value` is how a setting is declared

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from bascule.settings import parse
from bascule.settings import rates as quoting
from bascule.settings.value import value


@dataclass(frozen=True)
class Upkeep:
    """What is done by the clock: how often, from which amount on, and how long it may wait."""

    poll_interval_ms: int = value(
        500, parse.between(10, 600_000), unit="milliseconds",
        meaning="how long a worker with nothing to do waits when no notification wakes it", example="500",
    )  # fmt: skip
    lease_s: float = value(
        15.0, parse.seconds, unit="seconds",
        meaning="how long a silent watcher or submitter keeps its successor waiting", example="15",
    )  # fmt: skip
    expire_interval_s: int = value(
        1, parse.between(1, 3600), unit="seconds", meaning="how often deadlines are looked at", example="1"
    )
    reconcile_interval_s: int = value(
        60, parse.between(1, 86_400), unit="seconds", meaning="how often books meet the chain", example="60"
    )
    refund_cool_off_s: int = value(
        86_400, parse.between(0, 30 * 86_400), unit="seconds",
        meaning="how long a claimed refund can be stopped before it is paid", example="86400",
    )  # fmt: skip
    settlement_cool_off_s: int = value(
        86_400, parse.between(0, 30 * 86_400), unit="seconds",
        meaning="how long an address that is new in the balance settings is not paid", example="86400",
    )  # fmt: skip
    report_keep_days: int = value(
        400, parse.between(0, 36_500), unit="days",
        meaning="how long the files of report runs are kept; 0: for ever", example="400",
    )  # fmt: skip
    general_ledger: Path | None = value(
        None, parse.path, unit="path of a TOML file",
        meaning="the general ledger's accounts in journals; without it ours",
        example="/etc/bascule/general_ledger.toml",
    )  # fmt: skip
    thresholds: Path | None = value(
        None, parse.path, unit="path of a TOML file",
        meaning="jurisdictions' thresholds and what a currency is worth in theirs; without it ours",
        example="/etc/bascule/thresholds.toml",
    )  # fmt: skip
    seal_interval_s: int = value(
        60, parse.between(1, 86_400), unit="seconds", meaning="how often history is sealed", example="60"
    )
    anchor_interval_s: int = value(
        3_600, parse.between(1, 30 * 86_400), unit="seconds",
        meaning="how often the newest seal is written on each chain that has an anchor's wallet, if anything"
        " was sealed since",
        example="3600",
    )  # fmt: skip
    flush_interval_s: int = value(
        60, parse.between(1, 86_400), unit="seconds",
        meaning="how often a worker looks for deposit addresses to flush to the collector", example="60",
    )  # fmt: skip
    flush_min_amount: Decimal = value(
        Decimal(10), parse.amount, unit="currency of the token",
        meaning="an address that holds less waits for more, or for its age", example="10",
    )  # fmt: skip
    flush_min_total: Decimal = value(
        Decimal(500), parse.amount, unit="currency of the token",
        meaning="a flush of less waits, unless an address in it is old", example="500",
    )  # fmt: skip
    flush_max_age_s: int = value(
        86_400, parse.between(0, 10**8), unit="seconds",
        meaning="money that has lain at an address for longer is flushed whatever its amount",
        example="86400",
    )  # fmt: skip
    flush_max_base_fee_gwei: Decimal = value(
        Decimal(50), parse.amount, unit="gwei per gas",
        meaning="while a block takes more, no flush is planned or sent", example="0.5",
    )  # fmt: skip
    flush_max_cost_bps: int = value(
        100, parse.between(1, 10_000), unit="hundredths of a per cent",
        meaning="an address waits while its gas would cost more of what it holds", example="100",
    )  # fmt: skip
    flush_coin_prices: tuple[tuple[int, Decimal], ...] = value(
        (), parse.prices, unit="CHAIN_ID=PRICE, several separated by blanks",
        meaning="what a chain's native coin is worth, in tokens' currency; without it no cost is judged",
        example="8453=4000 137=0.5",
    )  # fmt: skip
    flush_max_addresses: int = value(
        100, parse.between(1, 100), unit="addresses",
        meaning="most addresses one flush empties", example="100",
    )  # fmt: skip
    rates: quoting.RatesSettings | None = value(
        None, quoting.rates, unit="table in the file, or PAIR=PRICE words",
        meaning="what tokens cost in fiat and who says so, for quotes; none: nothing is quoted",
        example="usdc/usd=1.00 usdc/eur=0.92",
    )  # fmt: skip
    flush_retry_s: int = value(
        86_400, parse.between(0, 10**8), unit="seconds",
        meaning="how long an address waits after its token refused it, or its flush reverted",
        example="86400",
    )  # fmt: skip
