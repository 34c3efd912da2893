"""Screening: sanctions lists, and what their entries hold until the compliance role decides."""

from bascule.storage.migrate import run_sql_beside

revision = "0099"
down_revision = "0098"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
