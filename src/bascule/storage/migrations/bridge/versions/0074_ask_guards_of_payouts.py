"""Asks what guards payouts of those alone who could break the rule."""

from bascule.storage.migrate import run_sql_beside

revision = "0074"
down_revision = "0073"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
