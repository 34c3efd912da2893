"""Which wallet may top up which address, in which coin or token, and how much."""

from bascule.storage.migrate import run_sql_beside

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
