"""What is to be booked is found by key, however much there is."""

from bascule.storage.migrate import run_sql_beside

revision = "0132"
down_revision = "0131"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
