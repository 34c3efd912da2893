"""Drops an index that every deposit was put into twice and one statement used."""

from bascule.storage.migrate import run_sql_beside

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
