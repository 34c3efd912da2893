"""Treasury is asked for more before payouts wait: a proposal says why it is open."""

from bascule.storage.migrate import run_sql_beside

revision = "0075"
down_revision = "0074"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
