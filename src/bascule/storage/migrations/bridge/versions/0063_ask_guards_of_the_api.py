"""Asks what guards intents against the API of the API alone."""

from bascule.storage.migrate import run_sql_beside

revision = "0063"
down_revision = "0062"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
