"""Reports: what finance sums, reads in a spreadsheet and loads into a lake, made of the journal alone."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import duckdb
import psycopg
import pytest

from bascule.domain.report import TYPES, Format, Interval, Threshold, of_name
from bascule.general_ledger import accounts
from bascule.services import report_making
from bascule.services.report_making import Made, Wanted, make
from bascule.storage import ledger
from bascule.storage.database import Database
from bascule.thresholds import thresholds
from tests.support.books import MERCHANT, OPERATOR, Books, fund, in_transaction

Open = Callable[[str], Awaitable[Database]]
NOW = datetime.now(UTC).replace(microsecond=0)
ALL = Interval(NOW - timedelta(days=1), NOW + timedelta(days=1))
PARTS = ("opening", "payments", "payouts", "refunds", "fees", "other")
OURS = thresholds()
FORMULA = '=HYPERLINK("http://evil","a,b")\nnext'


@pytest.fixture
async def books(db: Database) -> Books:
    """A float, two payments and a paid payout; people wrote formulas into what they may write."""
    books = Books(db)
    await books.set_up()
    await fund(books, 10_000_000)
    await books.run("UPDATE payment_intents SET description = %s, client_reference_id = '+1'", FORMULA)
    for amount in (2_500_000, 1_000_001):
        deposit = await books.deposit("payment", b"\x04" * 20, amount, applied=amount)
        await in_transaction(db, ledger.post_deposit, deposit)
    payout = await books.payout(1_000_000)
    await in_transaction(db, ledger.post_hold, payout)
    await books.pay(payout, 1_000_000)
    await in_transaction(db, ledger.post_payout, payout)
    return books


@pytest.fixture
def report(books: Books, db_as: Open, tmp_path: Path) -> Callable[..., Awaitable[tuple[Made, Path]]]:
    """Makes one under the worker's login."""

    async def run(
        name: str, format: Format = Format.CSV, *, account: str = MERCHANT, interval: Interval = ALL,
        reach: int | None = None, rules: tuple[Threshold, ...] = OURS,
    ) -> tuple[Made, Path]:  # fmt: skip
        folder = Path(mkdtemp(dir=tmp_path))
        wanted = Wanted(of_name(name), format, account, False, interval, accounts(), rules)
        return await make(await db_as("worker"), wanted, folder, reach=reach), folder

    return run


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


async def test_activity_sums_to_what_the_balance_report_says(report: Any) -> None:
    _, folder = await report("activity")
    rows = read(folder, "activity")
    _, folder = await report("balance")
    [asset] = read(folder, "balance")

    assert [row["net"] for row in rows] == ["2.500000", "1.000001"]
    assert {row["payment_intent"] for row in rows} == {"pi_1"}
    assert sum(Decimal(row["net"]) for row in rows) == Decimal(asset["closing"])
    assert sum(Decimal(asset[part]) for part in PARTS) == Decimal(asset["closing"]) == Decimal("3.500001")


async def test_what_went_back_to_customers_stands_apart_from_payouts(report: Any, books: Books) -> None:
    await books.refund("re_1", 400_000)
    for units in (400_000, 30_000):
        payout = await books.payout(units, account=MERCHANT)
        await in_transaction(books.db, ledger.post_hold, payout)
        await books.pay(payout, units)
        await in_transaction(books.db, ledger.post_payout, payout)
        await books.run("UPDATE refunds SET payout_id = coalesce(payout_id, %s)", payout)
    _, folder = await report("balance")

    [asset] = read(folder, "balance")
    assert (asset["payments"], asset["refunds"], asset["payouts"]) == ("3.500001", "-0.400000", "-0.030000")
    assert sum(Decimal(asset[part]) for part in PARTS) == Decimal(asset["closing"])


async def test_words_of_people_are_no_formulas_in_a_spreadsheet(report: Any) -> None:
    _, folder = await report("activity")
    _, lines = await report("activity", Format.JSONL)

    [row, _] = read(folder, "activity")
    [said, _] = [json.loads(line) for line in (lines / "activity.jsonl").read_text().splitlines()]
    assert (row["description"], row["client_reference_id"]) == ("'" + FORMULA, "'+1")
    assert (said["description"], said["client_reference_id"], said["net"]) == (FORMULA, "+1", "2.500000")


async def test_a_statement_opens_with_what_the_one_before_closed_with(report: Any, books: Books) -> None:
    middle = NOW - timedelta(hours=1)
    async with books.db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute(
            "UPDATE ledger.tx SET effective_at = %s WHERE source_id = (SELECT min(source_id) FROM ledger.tx"
            " WHERE source = 'deposit')", [middle - timedelta(minutes=1)],
        )  # fmt: skip
    _, first = await report("statement", interval=Interval(ALL.since, middle))
    _, second = await report("statement", interval=Interval(middle, ALL.until))

    before, after = read(first, "statement"), read(second, "statement")
    assert [row["type"] for row in before] == ["opening_balance", "payment", "closing_balance"]
    assert before[-1]["balance"] == after[0]["balance"] != "0.000000"
    for rows in (before, after):
        balance = Decimal(rows[0]["balance"])
        for row in rows[1:-1]:
            balance += Decimal(row["net"])
            assert Decimal(row["balance"]) == balance
        assert Decimal(rows[-1]["balance"]) == balance


async def test_the_journal_is_the_operators_and_balances_in_the_general_ledgers_accounts(report: Any) -> None:
    _, folder = await report("journal", account=OPERATOR)

    rows = read(folder, "journal")
    debit = sum(Decimal(row["debit"] or 0) for row in rows)
    credit = sum(Decimal(row["credit"] or 0) for row in rows)
    assert debit == credit == Decimal("14.500001")
    assert {(row["account"], row["gl_number"]) for row in rows} == {
        ("available:acct_merchant", "2100"),
        ("available:acct_operator", "2100"),
        ("custody:forwarders", "1130"),
        ("custody:vault", "1110"),
    }


async def test_a_transfer_is_reported_where_it_reaches_a_threshold_alone_or_with_its_days_others(
    report: Any, tmp_path: Path
) -> None:
    """2.50 and 1.000001 came from one sender; what counts single transfers finds neither of them."""
    day = {"jurisdiction": "CA", "amount": "5.20", "currency": "CAD", "period": "day", "direction": "in",
           "exceeds": False, "asks": "a report", "source": "a test"}  # fmt: skip
    file = tmp_path / "thresholds.toml"
    single = day | {"period": "single"}
    rules = {
        "CA": day,
        "CA-MORE": day | {"amount": "5.250002", "exceeds": True},
        "CA-ONE": single,
        "OUT": single | {"amount": "1.50", "direction": "both"},
    }
    lines = [
        f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in rule.items())
        for name, rule in rules.items()
    ]
    file.write_text("".join(lines) + '[worth]\nusdc = { CAD = "1.5" }\nusdt = { CAD = "1.5" }\n')

    _, folder = await report("thresholds", account=OPERATOR, rules=thresholds(file))

    found = read(folder, "thresholds")
    assert {(row["rate"], row["asks"], row["rule_source"]) for row in found} == {
        ("1.5", "a report", "a test")
    }
    rows = [
        (row["rule"], row["direction"], row["id"][:3], row["amount"], row["value"], row["value_in_period"])
        for row in found
    ]
    assert rows == [
        ("CA", "in", "dep", "2.500000", "3.750000", "5.250002"),
        ("CA", "in", "dep", "1.000001", "1.500002", "5.250002"),
        ("OUT", "in", "dep", "2.500000", "3.750000", "3.750000"),
        ("OUT", "in", "dep", "1.000001", "1.500002", "1.500002"),
        ("OUT", "out", "po_", "1.000000", "1.500000", "1.500000"),
    ]
    _, none = await report("thresholds", account=OPERATOR)
    assert read(none, "thresholds") == [], "what is ours begins at a thousand"


async def test_who_pays_whom_stands_beside_each_transfer_as_it_was_said_last(
    report: Any, books: Books
) -> None:
    async with books.db.read() as conn:
        [payout] = await (await conn.execute("SELECT id FROM payouts")).fetchone() or []
    for version, name in ((1, "Adda"), (2, "=Ada")):
        await books.run(
            "INSERT INTO travel_rules (object_id, version, account_id, livemode, beneficiary, recorded_by,"
            " created_at) VALUES (%s, %s, %s, false, %s, 'key_1', now())",
            *(payout, version, OPERATOR, json.dumps({"name": name, "vasp": "Bank"})),
        )

    _, folder = await report("travel_rule", account=OPERATOR)

    rows = [
        (row["direction"], row["of"], row["amount"], row["beneficiary_name"], row["beneficiary_vasp"])
        for row in read(folder, "travel_rule")
    ]
    assert rows == [
        ("in", "pi_1", "2.500000", "", ""),
        ("in", "pi_1", "1.000001", "", ""),
        ("out", payout, "1.000000", "'=Ada", "Bank"),
    ]


async def test_duckdb_reads_the_parquet_files_by_month_with_exact_amounts(report: Any) -> None:
    made, folder = await report("activity", Format.PARQUET)

    found = duckdb.sql(
        f"SELECT month, sum(net), count(*), any_value(description) FROM '{folder}/*/*.parquet' GROUP BY month"
    ).fetchall()
    assert found == [(f"{NOW:%Y-%m}", Decimal("3.500001"), 2, FORMULA)]
    assert [each.path for each in made.files] == [f"month={NOW:%Y-%m}/activity.parquet"]


async def test_a_report_made_again_is_the_same_to_the_byte_whatever_was_booked_since(
    report: Any, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [await report("journal", format, account=OPERATOR) for format in Format]
    deposit = await books.deposit("payment", b"\x04" * 20, 77, applied=77)
    await in_transaction(books.db, ledger.post_deposit, deposit)
    monkeypatch.setattr(report_making, "STRETCH", 1)

    for format, (first, folder) in zip(Format, made, strict=True):
        again, _ = await report("journal", format, account=OPERATOR, reach=first.reach)
        if format is not Format.PARQUET:  # its row groups are the stretches
            assert again.files == first.files
        assert [each.rows for each in again.files] == [each.rows for each in first.files]
        for each in first.files:
            assert sha256((folder / each.path).read_bytes()).digest() == each.sha256


async def test_a_stretch_that_cannot_be_read_ends_the_report_though_others_are_being_read(
    report: Any, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_making, "STRETCH", 1)
    await books.run("REVOKE EXECUTE ON FUNCTION report_time FROM bascule_worker")

    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="report_time"):
        await report("journal", account=OPERATOR)
    await books.run("GRANT EXECUTE ON FUNCTION report_time TO bascule_worker")
    made, _ = await report("journal", account=OPERATOR)
    assert sum(each.rows for each in made.files) > 0


async def test_a_period_closed_since_changes_no_report_of_what_was_booked_before(
    report: Any, books: Books
) -> None:
    """What is booked behind the reach is in the closing: a report that ends before it begins earlier."""
    until = NOW - timedelta(days=2)
    interval = Interval(until, ALL.until)
    first, folder = await report("statement", interval=interval)
    deposit = await books.deposit("payment", b"\x04" * 20, 77, applied=77)
    await in_transaction(books.db, ledger.post_deposit, deposit)
    async with books.db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute(
            "UPDATE ledger.tx SET effective_at = %s WHERE id = (SELECT max(id) FROM ledger.tx)",
            [until - timedelta(days=1)],
        )
        await conn.execute("UPDATE blocks SET block_time = now()")
        await conn.execute("SELECT ledger.close_period(%s)", [until])

    _, other = await report("statement", interval=interval, reach=first.reach)
    assert read(other, "statement") == read(folder, "statement")
    old = Interval(until - timedelta(days=9), until)
    assert (await report("statement", interval=old, reach=first.reach))[0].closed is False
    made, closed = await report("statement", interval=old)
    assert (made.closed, read(closed, "statement")[-1]["balance"]) == (True, "0.000077")
    _, now = await report("statement", interval=interval)
    assert read(now, "statement")[0]["balance"] == "0.000077"


async def test_a_report_waits_for_who_posts_at_length(report: Any, books: Books) -> None:
    deposit = await books.deposit("payment", b"\x04" * 20, 77, applied=77)
    async with books.db.transaction() as conn:
        await ledger.post_deposit(conn, deposit)
        making = asyncio.create_task(report("activity"))
        done, _ = await asyncio.wait([making], timeout=0.6)  # longer than a word of the history waits
        assert not done
    _, folder = await making
    assert [row["net"] for row in read(folder, "activity")] == ["2.500000", "1.000001", "0.000077"]


async def test_a_report_of_nothing_names_its_columns(report: Any) -> None:
    empty = Interval(NOW - timedelta(days=9), NOW - timedelta(days=8))
    for each in TYPES:
        names = [column.name for column in each.columns]
        made, folder = await report(each.name, interval=empty, account=OPERATOR)
        assert (folder / made.files[0].path).read_bytes().decode() == ",".join(names) + "\n"
        made, folder = await report(each.name, Format.PARQUET, interval=empty, account=OPERATOR)
        assert duckdb.sql(f"SELECT * FROM '{folder}/*/*.parquet'").columns == [*names, "month"]
        assert [file.rows for file in made.files] == [0]


async def test_every_query_has_the_columns_its_type_names(report: Any) -> None:
    for each in TYPES:
        _, folder = await report(each.name, Format.JSONL, account=OPERATOR)
        for line in (folder / f"{each.name}.jsonl").read_text().splitlines():
            assert list(json.loads(line)) == [column.name for column in each.columns]
