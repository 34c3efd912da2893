"""Accounts administer themselves: keys with places and a last use, members with roles, a pinned version."""

from bascule.storage.migrate import run_sql_beside

revision = "0115"
down_revision = "0114"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
