"""A frozen destination is denied to everybody again."""

from bascule.storage.migrate import run_sql_beside

revision = "0059"
down_revision = "0058"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
