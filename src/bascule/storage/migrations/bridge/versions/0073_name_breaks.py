"""A break says which money it is about and whether it stops payouts; once it has ended it stays as it is."""

from bascule.storage.migrate import run_sql_beside

revision = "0073"
down_revision = "0072"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
