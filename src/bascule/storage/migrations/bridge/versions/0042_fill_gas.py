"""How each wallet stands for gas, where the gas wallet may send coin, and what it sent."""

from bascule.storage.migrate import run_sql_beside

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
