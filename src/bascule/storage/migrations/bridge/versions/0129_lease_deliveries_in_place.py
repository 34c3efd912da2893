"""A delivery has room beside it on its page, so that its lease writes no index."""

from bascule.storage.migrate import run_sql_beside

revision = "0129"
down_revision = "0128"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
