"""Where a wallet's coin was even once, so that its fees are not summed from the beginning each time."""

from bascule.storage.migrate import run_sql_beside

revision = "0116"
down_revision = "0115"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
