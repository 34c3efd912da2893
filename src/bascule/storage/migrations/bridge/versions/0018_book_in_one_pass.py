"""Looks deposits up once to book them, and checks references of many rows by one statement."""

from bascule.storage.migrate import run_sql_beside

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
