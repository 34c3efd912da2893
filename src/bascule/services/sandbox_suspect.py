"""The sandbox's suspect: a development account that stands on a sanctions list, for tests of what is held.

It is held by the list, as anybody's money is whose address stands on one: nothing knows it for a test's.
"""

from __future__ import annotations

from bascule.domain.chain import checksum
from bascule.services.compliance import Compliance
from bascule.services.sandbox import Sandbox
from bascule.storage import screening_lists

LIST = "sandbox"
ACTOR = "process:sandbox"


async def stands_on_its_list(box: Sandbox, compliance: Compliance) -> None:
    """The list `sandbox` names the purse's suspect when this returns, unless somebody imported another.

    Several processes may ask at once. The caller has seen that no live money is beside.
    """
    async with box.db.transaction() as conn:
        await screening_lists.serialize(conn)
        if await screening_lists.newest(conn, LIST) is None:
            text = f"address,reference\n{checksum(box.purse.suspect)},held in tests\n"
            await compliance.import_list(conn, LIST, text, actor=ACTOR)
