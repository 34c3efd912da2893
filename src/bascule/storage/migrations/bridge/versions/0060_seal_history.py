"""Seals over the journal and the audit log."""

from bascule.storage.migrate import run_sql_beside

revision = "0060"
down_revision = "0059"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
