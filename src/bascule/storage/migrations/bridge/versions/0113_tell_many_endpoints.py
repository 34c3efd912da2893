"""Events are numbered per account and mode; deliveries are found by their endpoint, which may be failing."""

from bascule.storage.migrate import run_sql_beside

revision = "0113"
down_revision = "0112"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
