"""The address book, and which of its entries a payout was asked for by."""

from bascule.storage.migrate import run_sql_beside

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
