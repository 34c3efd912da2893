"""What is told: kept as it was told, and somebody wakes."""

from datetime import UTC, datetime

import pytest

from bascule.storage import accounts, outbox
from bascule.storage.database import Connection, Database
from bascule.storage.outbox import NewRow

AT = datetime(2026, 5, 4, 3, 2, 1, 654_321, UTC)
ODD = 'a tab\t, two lines\r\n, a "quote", a back\\slash, \\N, \\., a bell \a and ☃ \U0001f9c2'


def row(n: int, object_id: str = "pi_1", **of_object: object) -> NewRow:
    shown = {"id": object_id, **of_object}
    return NewRow(f"evt_{n}", "acct_shop", True, "payment_intent.created", object_id, n, shown, None, None)


async def shop(conn: Connection) -> None:
    await accounts.create(conn, id="acct_shop", kind="merchant", name="Shop", created_at=AT)


async def test_rows_are_read_as_they_were_told_whatever_is_in_them(db: Database) -> None:
    first = row(1, ODD, description=ODD, metadata={ODD: ODD}, amount=2**53, nothing=None)
    second = first._replace(event_id="evt_2", previous={ODD: 1}, request={"id": ODD, "idempotency_key": None})

    async with db.transaction() as conn:
        await shop(conn)
        await outbox.append(conn, [first, second, row(3)], AT)
        kept = await outbox.waiting_of(conn, [("acct_shop", True)], 10, 10)
        within = await outbox.waiting_of(conn, [("acct_shop", True)], 2, 10)

    assert [NewRow(*(getattr(each, name) for name in NewRow._fields)) for each in kept] == [
        first, second, row(3),
    ]  # fmt: skip
    assert within == kept[:2], "a long queue is not read to its end"
    assert {each.created_at for each in kept} == {AT}
    assert [each.id for each in kept] == sorted(each.id for each in kept)


async def test_a_committed_row_wakes_who_listens(db: Database) -> None:
    await db.wait_for("bascule_outbox", 0)
    await db._wakeups._channels["bascule_outbox"].listening.wait()
    async with db.transaction() as conn:
        await shop(conn)
        await outbox.append(conn, [row(1)], AT)

    assert await db.wait_for("bascule_outbox", 10) is True


async def test_rows_are_as_they_were_told_where_the_surroundings_name_another_encoding(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")  # as a database of it says too
    told = row(1, "pi_é", description="café ☃")
    async with Database(db.url, pool_size=1) as own:
        async with own.transaction() as conn:
            await shop(conn)
            await outbox.append(conn, [told], AT)
        async with own.read() as conn:
            [kept] = await outbox.waiting_of(conn, [("acct_shop", True)], 10, 10)

    assert (kept.object_id, kept.object) == (told.object_id, told.object)
