"""Policies as data, who asked, and by whose key."""

from bascule.storage.migrate import run_sql_beside

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
