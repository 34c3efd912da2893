"""Every invariant of a test's database, asked over a plain connection when the test is over."""

import psycopg

from bascule.storage.invariants.check import MOST
from bascule.storage.queries import Queries
from bascule.storage.verification import CHECKS, SETTINGS


def wrong_rows(url: str) -> list[str]:
    """Whatever contradicts an invariant in a database, as `bascule ledger verify` names it."""
    settings = Queries("verification").file.queries
    with psycopg.connect(url) as conn:
        for setting in SETTINGS:
            conn.execute(settings[setting].text.encode())
        return [
            f"{check.name} {check.holds}: {subject} {found}"
            for check in CHECKS
            for name in check.queries
            for subject, found in conn.execute(
                check.asked.file.queries[name].text.encode(), {"most": MOST}
            ).fetchall()
        ]
