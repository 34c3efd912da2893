"""Heads of the seals, written on chain by the anchor's wallet."""

from bascule.storage.migrate import run_sql_beside

revision = "0093"
down_revision = "0092"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
