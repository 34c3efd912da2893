"""Keeps which epoch deposit addresses are of, and on which server it began."""

from bascule.storage.migrate import run_sql_beside

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
