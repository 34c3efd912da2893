"""Invoices: what is owed for what, numbered without holes, paid by a payment intent, final for ever."""

from bascule.storage.migrate import run_sql_beside

revision = "0097"
down_revision = "0096"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
