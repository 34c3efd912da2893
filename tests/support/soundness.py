"""Every invariant of a test's database, asked over a plain connection when the test is over."""

from typing import Any

import psycopg
from psycopg.rows import dict_row

from bascule.storage.invariants.check import MOST, Check
from bascule.storage.queries import Queries
from bascule.storage.verification import CHECKS, NAMED, SETTINGS


def wrong_rows(url: str) -> list[str]:
    """Whatever contradicts an invariant in a database, as `bascule ledger verify` names it."""
    settings = Queries("verification").file.queries
    with psycopg.connect(url, row_factory=dict_row) as conn:
        for setting in SETTINGS:
            conn.execute(settings[setting].text.encode())
        asked = [(check, name) for check in CHECKS for name in check.queries]
        found = [(check, row) for check, name in asked for row in _found(conn, check, name)]
    named = [(NAMED[row.get("invariant", check.name)], row) for check, row in found]
    return [f"{check.name} {check.holds}: {row['subject']} {row['found']}" for check, row in named]


def _found(conn: psycopg.Connection[dict[str, Any]], check: Check, name: str) -> list[dict[str, Any]]:
    return conn.execute(check.asked.file.queries[name].text.encode(), {"most": MOST}).fetchall()
