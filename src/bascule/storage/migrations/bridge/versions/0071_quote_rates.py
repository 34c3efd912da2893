"""Quotes: what sources said a token costs, and how much of it a fiat price is for a while."""

from bascule.storage.migrate import run_sql_beside

revision = "0071"
down_revision = "0070"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
