import pytest

from bascule.storage.database import Database
from bascule.storage.queries import Queries, QueryError, parse

TEXT = """-- tables: runs, breaks
-- Anything may be said here.

-- name: add
-- Adds a run,
-- once.
INSERT INTO runs (name, due_at) VALUES (%(name)s, %(due_at)s) ON CONFLICT DO NOTHING;

-- name: like_a
-- Names with an a.
SELECT name FROM runs WHERE name LIKE 'a%%' AND name <> %(name)s AND %(name)s <> ''
"""


@pytest.fixture
def runs() -> Queries:
    queries = Queries("runs")
    queries.file = parse(
        """-- tables: runs
-- name: add
-- One run.
INSERT INTO runs (name, due_at) VALUES (%(name)s, now())
-- name: add_many
-- Many runs in one statement.
INSERT INTO runs (name, due_at) SELECT name, now() FROM unnest(%(names)s::text[]) AS u (name)
-- name: all
-- Every name.
SELECT name FROM runs ORDER BY name
-- name: named
-- A run by name.
SELECT name, due_at FROM runs WHERE name = %(name)s
""",
        source="runs.sql",
    )
    return queries


def test_file_says_its_tables_names_and_descriptions() -> None:
    file = parse(TEXT, source="x.sql")

    assert file.tables == ("runs", "breaks")
    assert [(q.name, q.description) for q in file.queries.values()] == [
        ("add", "Adds a run, once."),
        ("like_a", "Names with an a."),
    ]
    assert file.queries["add"].parameters == {"name", "due_at"}
    assert file.queries["add"].text.endswith("DO NOTHING")


def test_numbered_text_can_be_prepared_by_the_server() -> None:
    query = parse(TEXT, source="x.sql").queries["like_a"]

    assert query.numbered() == "SELECT name FROM runs WHERE name LIKE 'a%' AND name <> $1 AND $1 <> ''"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- name: a\n-- b\nSELECT 1", "'-- tables:' line"),
        ("-- tables: x\n-- name: a\nSELECT 1", "needs a description"),
        ("-- tables: x\n-- name: a\n-- b\n", "needs a description and a statement"),
        ("-- tables: x\n-- name: A b\n-- b\nSELECT 1", "does not name a query"),
        ("-- tables: x\n-- name: a\n-- b\nSELECT 1\n-- name: a\n-- b\nSELECT 1", "two queries"),
        ("-- tables: x\n-- name: a\n-- b\nSELECT 5 % 2", "lone per cent"),
    ],
)
def test_malformed_file_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint):
        parse(text, source="x.sql")


async def test_queries_answer_in_the_shape_that_was_asked_for(db: Database, runs: Queries) -> None:
    async with db.transaction() as conn:
        assert await runs.run(conn, "add", name="b") == 1
        assert await runs.run(conn, "add_many", names=["a", "c"]) == 2

        assert [row["name"] for row in await runs.all(conn, "all")] == ["a", "b", "c"]
        assert (await runs.one(conn, "named", name="a"))["name"] == "a"
        assert await runs.maybe(conn, "named", name="z") is None
        assert await runs.scalar(conn, "named", name="c") == "c"
        assert await runs.scalar(conn, "named", name="z") is None


async def test_unexpected_number_of_rows_is_our_mistake(db: Database, runs: Queries) -> None:
    async with db.transaction() as conn:
        await runs.run(conn, "add_many", names=["a", "b"])
        with pytest.raises(QueryError, match="none found"):
            await runs.one(conn, "named", name="z")
        with pytest.raises(QueryError, match="2 found"):
            await runs.maybe(conn, "all")


async def test_wrong_name_or_parameters_fail_before_the_database_is_asked(
    db: Database, runs: Queries
) -> None:
    async with db.read() as conn:
        with pytest.raises(QueryError, match="no query named nothing"):
            await runs.run(conn, "nothing")
        with pytest.raises(QueryError, match=r"missing parameters \['name'\], unknown parameters \['nom'\]"):
            await runs.run(conn, "add", nom="a")


def test_naming_a_file_reads_nothing() -> None:
    absent = Queries("no_such_noun")

    with pytest.raises(FileNotFoundError):
        _ = absent.file
