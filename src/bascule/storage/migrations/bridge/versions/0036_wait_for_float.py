"""Lets approved payouts wait for the vault's float, and wakes the submitters when there are new ones."""

from bascule.storage.migrate import run_sql_beside

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
