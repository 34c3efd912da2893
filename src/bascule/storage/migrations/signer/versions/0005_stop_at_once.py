"""What an operator stopped or released: the newest row of a scope rules."""

from bascule.storage.migrate import run_sql_beside

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
