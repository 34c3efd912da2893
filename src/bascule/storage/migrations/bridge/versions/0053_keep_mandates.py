"""Mandates: what goes out without approvals of its own, as approvers signed it."""

from bascule.storage.migrate import run_sql_beside

revision = "0053"
down_revision = "0052"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
