"""A batch needs as many people as policy asks for by now."""

from bascule.storage.migrate import run_sql_beside

revision = "0081"
down_revision = "0080"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
