"""Keeps what proves each final deposit."""

from bascule.storage.migrate import run_sql_beside

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
