"""A log of what accounts asked the API."""

from bascule.storage.migrate import run_sql_beside

revision = "0126"
down_revision = "0125"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
