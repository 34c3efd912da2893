"""Test clocks: one function brings deadlines of an account's test objects nearer, and no more."""

from bascule.storage.migrate import run_sql_beside

revision = "0120"
down_revision = "0119"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
