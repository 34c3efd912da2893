"""The rights of each role, compared with the list beside this file.

To accept a deliberate change: BASCULE_ACCEPT_GRANTS=1, run this test, read the difference, commit it.
"""

import os
from pathlib import Path

import pytest

from bascule.storage.database import Database

EXPECTED = Path(__file__).parent / "grants.txt"

LIVE = """
WITH object AS (
    SELECT 'schema' AS kind, n.nspname AS name, coalesce(n.nspacl, acldefault('n', n.nspowner)) AS acl
      FROM pg_namespace AS n WHERE n.nspname IN ('public', 'ledger', 'signer')
     UNION ALL
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, n.nspname || '.' || c.relname,
           coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('public', 'ledger', 'signer') AND c.relkind IN ('r', 'p', 'v', 'S')
     UNION ALL
    SELECT 'column', n.nspname || '.' || c.relname || '.' || a.attname, a.attacl
      FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('public', 'ledger', 'signer') AND a.attacl IS NOT NULL
     UNION ALL
    SELECT 'function', n.nspname || '.' || p.proname, coalesce(p.proacl, acldefault('f', p.proowner))
      FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
     WHERE n.nspname IN ('public', 'ledger', 'signer')
)
SELECT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END AS role,
       g.privilege_type || ' on ' || o.kind, array_agg(o.name ORDER BY o.name)
  FROM object AS o, aclexplode(o.acl) AS g
 WHERE g.grantee = 0 OR g.grantee::regrole::text LIKE 'bascule_%'
 GROUP BY 1, 2 ORDER BY 1, 2
"""


async def live_grants(db: Database) -> str:
    async with db.read() as conn:
        rows = await (await conn.execute(LIVE.encode())).fetchall()
    lines = []
    for role, privilege, names in rows:
        lines += [f"{role}: {privilege}", *(f"    {name}" for name in names), ""]
    return "\n".join(lines)


async def test_each_role_has_exactly_the_listed_rights(db: Database) -> None:
    live = await live_grants(db)
    if os.environ.get("BASCULE_ACCEPT_GRANTS"):
        EXPECTED.write_text(live, encoding="utf-8")

    assert live.splitlines() == EXPECTED.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("right", ["DELETE", "TRUNCATE", "TRIGGER", "REFERENCES", "CREATE"])
async def test_no_process_may_remove_rows_or_add_objects(db: Database, right: str) -> None:
    assert f": {right} on" not in await live_grants(db)


async def test_everybody_else_has_no_right_at_all(db: Database) -> None:
    assert "PUBLIC" not in await live_grants(db)
