"""Stored answers are forgotten after 30 days; an open intent may be given more time."""

from bascule.storage.migrate import run_sql_beside

revision = "0117"
down_revision = "0116"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
