"""Makes and drops partitions of seen transfers without waiting for readers."""

from bascule.storage.migrate import run_sql_beside

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
