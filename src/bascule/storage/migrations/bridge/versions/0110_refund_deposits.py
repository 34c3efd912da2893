"""A deposit that counts for nothing goes back by a refund of its own."""

from bascule.storage.migrate import run_sql_beside

revision = "0110"
down_revision = "0109"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
