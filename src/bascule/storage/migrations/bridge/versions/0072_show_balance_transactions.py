"""Balance transactions: what each booked transaction did to an account, read from the journal."""

from bascule.storage.migrate import run_sql_beside

revision = "0072"
down_revision = "0071"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
