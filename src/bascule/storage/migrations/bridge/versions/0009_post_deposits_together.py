"""Books the final deposits of a block together."""

from bascule.storage.migrate import run_sql_beside

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
