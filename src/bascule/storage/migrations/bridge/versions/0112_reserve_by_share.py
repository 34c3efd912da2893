"""A reserve may be a share of what is there, beside an amount."""

from bascule.storage.migrate import run_sql_beside

revision = "0112"
down_revision = "0111"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
