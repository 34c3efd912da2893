"""A payout that has no id yet may be paid from another vault of its chain."""

from bascule.storage.migrate import run_sql_beside

revision = "0133"
down_revision = "0132"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
