"""A rebuild knows every kind of posting there is: a new one is not forgotten in it."""

import re

from bascule.storage.database import Database
from bascule.storage.rebuild.agenda import STEPS

WITH_ANOTHER = {"fee"}  # posted by the step that credits its merchant


async def test_every_kind_of_posting_has_its_step_in_a_rebuild(db: Database) -> None:
    async with db.read() as conn:
        rows = await conn.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'tx_kind_check'"
        )
        [(rule,)] = await rows.fetchall()

    kinds = set(re.findall(r"'(\w+)'", rule))

    assert "deposit" in kinds
    assert kinds - WITH_ANOTHER == STEPS.keys() - {"version"}
