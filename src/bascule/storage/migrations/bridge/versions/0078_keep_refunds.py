"""Refunds: money of a payment that goes back, never more than became final of it."""

from bascule.storage.migrate import run_sql_beside

revision = "0078"
down_revision = "0077"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
