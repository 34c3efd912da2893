"""Times that the API's login writes are times that every process can read."""

from bascule.storage.migrate import run_sql_beside

revision = "0062"
down_revision = "0061"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
