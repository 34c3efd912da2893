"""Checkout sessions: a hosted page for one payment intent, and where its payer goes afterwards."""

from bascule.storage.migrate import run_sql_beside

revision = "0119"
down_revision = "0118"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
