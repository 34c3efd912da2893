"""Creates accounts, networks, tokens and the chain as we believe it."""

from bascule.storage.migrate import run_sql_beside

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
