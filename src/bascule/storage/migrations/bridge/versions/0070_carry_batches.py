"""A batch whose lines mandates carry is approved when it is made."""

from bascule.storage.migrate import run_sql_beside

revision = "0070"
down_revision = "0069"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
