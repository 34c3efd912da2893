"""Lets every process that asks nodes keep what they disagree about."""

from bascule.storage.migrate import run_sql_beside

revision = "0136"
down_revision = "0135"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
