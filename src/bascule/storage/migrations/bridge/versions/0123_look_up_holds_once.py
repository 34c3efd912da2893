"""Payouts that go out together are held against screenings together."""

from bascule.storage.migrate import run_sql_beside

revision = "0123"
down_revision = "0122"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
