"""A batch whose approvals are over is asked about anew as one."""

from bascule.storage.migrate import run_sql_beside

revision = "0061"
down_revision = "0060"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
