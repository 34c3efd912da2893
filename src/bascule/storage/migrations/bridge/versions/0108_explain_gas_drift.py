"""A person may explain why a wallet's coin is not what is booked."""

from bascule.storage.migrate import run_sql_beside

revision = "0108"
down_revision = "0107"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
