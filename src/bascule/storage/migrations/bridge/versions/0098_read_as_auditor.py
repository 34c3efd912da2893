"""A role that reads the books and writes nothing."""

from bascule.storage.migrate import run_sql_beside

revision = "0098"
down_revision = "0097"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
