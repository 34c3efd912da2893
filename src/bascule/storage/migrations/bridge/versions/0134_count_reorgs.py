"""Counts reorganisations, each of which is told."""

from bascule.storage.migrate import run_sql_beside

revision = "0134"
down_revision = "0133"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
