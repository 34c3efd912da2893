"""Lets intents succeed before their money is final, where the operator allowed it."""

from bascule.storage.migrate import run_sql_beside

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
