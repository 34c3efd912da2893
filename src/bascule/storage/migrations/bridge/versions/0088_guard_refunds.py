"""Refunds: a claim is not undone, and a cool-off ends when it was said to."""

from bascule.storage.migrate import run_sql_beside

revision = "0088"
down_revision = "0087"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
