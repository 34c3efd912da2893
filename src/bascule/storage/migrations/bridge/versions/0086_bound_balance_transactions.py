"""Balance transactions are found by the account's entries, and a fee is a transaction of its own."""

from bascule.storage.migrate import run_sql_beside

revision = "0086"
down_revision = "0085"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
