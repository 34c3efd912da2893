"""Keeps what tokens and factories say in one table, as far as it is proven."""

from bascule.storage.migrate import run_sql_beside

revision = "0052"
down_revision = "0051"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
