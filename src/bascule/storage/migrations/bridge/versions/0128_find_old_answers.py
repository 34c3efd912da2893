"""Old answers are found without reading the others, also where both are neighbours."""

from bascule.storage.migrate import run_sql_beside

revision = "0128"
down_revision = "0127"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
