"""Arrays arrive in the database as they were meant."""

import random
from datetime import UTC, datetime, timedelta, timezone

from bascule.storage import arrays
from bascule.storage.database import Database

AWKWARD = ["", " ", "NULL", "null", "{}", ",", '"', "\\", '\\"', "a\nb\t", "é€😀", "'", "%s", "\\x00"]


async def test_texts_arrive_as_they_are(db: Database) -> None:
    letters = random.Random(1)
    mixed = [*AWKWARD, None, *("".join(letters.choices('{},"\\ \n', k=5)) for _ in range(500))]
    async with db.read() as conn:
        for texts in (mixed, [], [None], *([each] for each in AWKWARD), ["a,b", "NULL", ""], ["a", '","']):
            found = await conn.execute("SELECT %s::text[]", [arrays.texts(texts)])
            assert await found.fetchone() == (texts,)


async def test_bytes_numbers_truths_and_moments_arrive_as_they_are(db: Database) -> None:
    values = [b"", bytes(range(256)), b"\\x00", b'"']
    numbers = [0, -1, None, 2**63, -(10**77)]
    moments = [
        datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC),
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
        datetime(9999, 12, 31, tzinfo=UTC),
    ]
    async with db.read() as conn:
        found = await conn.execute(
            "SELECT %s::bytea[], %s::numeric[], %s::boolean[], %s::timestamptz[]",
            [
                arrays.bytes_(values),
                arrays.numbers(numbers),
                arrays.truths([True, False]),
                arrays.moments(moments),
            ],
        )
        assert await found.fetchone() == (values, numbers, [True, False], moments)
