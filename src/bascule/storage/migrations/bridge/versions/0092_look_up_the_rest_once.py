"""What rows of deposits, transfers and bookings name is looked up once a statement."""

from bascule.storage.migrate import run_sql_beside

revision = "0092"
down_revision = "0091"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
