"""A payout whose payee proves to be ours is paid once, and its money is the operator's."""

from bascule.storage.migrate import run_sql_beside

revision = "0069"
down_revision = "0068"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
