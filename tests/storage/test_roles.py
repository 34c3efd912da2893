import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import pytest
from psycopg import sql

from bascule.domain.errors import Retryable
from bascule.storage import ledger, verification
from bascule.storage.database import Database
from bascule.storage.roles import PROCESSES, ROLES, ensure_groups, ensure_logins, group_of, login_of
from tests.support.cases import case
from tests.support.postgres import TestServer

Open = Callable[[str], Awaitable[Database]]
SECRETS = {process: f"secret of {process}" for process in PROCESSES}


@pytest.fixture
async def logins(db: Database, database_name: str) -> AsyncIterator[dict[str, str]]:
    """An installation's own logins; roles belong to the cluster, so they are removed by hand."""
    async with db.read() as conn:
        yield await ensure_logins(conn, database_name, SECRETS)
        for process in PROCESSES:
            role = sql.Identifier(login_of(database_name, process))
            await conn.execute(sql.SQL("DROP OWNED BY {}").format(role))
            await conn.execute(sql.SQL("DROP ROLE {}").format(role))


def url_for(server: TestServer, database: str, login: str, secret: str) -> str:
    return server.url.database(database, user=login, password=secret)


async def log_in(url: str) -> str:
    async with await psycopg.AsyncConnection.connect(url) as conn:
        row = await (await conn.execute("SELECT current_user")).fetchone()
        assert row is not None
        return str(row[0])


# ───────── logging in ─────────


async def test_each_process_has_its_own_login_with_exactly_its_group(
    postgres_server: TestServer, database_name: str, logins: dict[str, str]
) -> None:
    assert logins == {process: f"{database_name}_{process}" for process in PROCESSES}

    for process, login in logins.items():
        url = url_for(postgres_server, database_name, login, SECRETS[process])
        async with Database(url) as database:
            await database.check_role(group_of(process))


async def test_watcher_alone_makes_temporary_tables(
    postgres_server: TestServer, database_name: str, logins: dict[str, str]
) -> None:
    able = set()
    for process, login in logins.items():
        url = url_for(postgres_server, database_name, login, SECRETS[process])
        async with await psycopg.AsyncConnection.connect(url) as conn:
            asked = "SELECT has_database_privilege(current_database(), 'TEMPORARY')"
            [allowed] = await (await conn.execute(asked)).fetchone() or [None]
            able |= {process} if allowed else set()

    assert able == {"watcher"}


async def test_only_the_installations_own_logins_may_connect(
    postgres_server: TestServer, database_name: str, logins: dict[str, str]
) -> None:
    stranger = url_for(postgres_server, database_name, "test_api", postgres_server.secret)

    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        await log_in(stranger)


@pytest.mark.parametrize("thief", ["api", "submitter"])
@pytest.mark.parametrize("victim", ["signer", "superuser"])
async def test_credentials_of_one_process_do_not_open_another(
    postgres_server: TestServer, database_name: str, logins: dict[str, str], thief: str, victim: str
) -> None:
    login = "postgres" if victim == "superuser" else logins[victim]

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await log_in(url_for(postgres_server, database_name, login, SECRETS[thief]))


async def test_groups_themselves_cannot_log_in(postgres_server: TestServer, database_name: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await log_in(url_for(postgres_server, database_name, "bascule_signer", "x"))


async def test_repeating_the_set_up_changes_secrets_and_nothing_else(
    postgres_server: TestServer, database_name: str, logins: dict[str, str], db: Database
) -> None:
    async with db.read() as conn:
        await ensure_groups(conn)
        await ensure_logins(conn, database_name, {"api": "a new secret"})

    old = url_for(postgres_server, database_name, logins["api"], SECRETS["api"])
    assert (
        await log_in(url_for(postgres_server, database_name, logins["api"], "a new secret")) == logins["api"]
    )
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await log_in(old)


async def test_secrets_are_kept_as_scram_verifiers_only(db: Database, logins: dict[str, str]) -> None:
    async with db.read() as conn:
        rows = await conn.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = ANY (%s)", [list(logins.values())]
        )
        assert all(str(row[0]).startswith("SCRAM-SHA-256$") for row in await rows.fetchall())


async def test_installations_can_be_set_up_at_the_same_time(postgres_server: TestServer) -> None:
    names = ["parallel_a", "parallel_b", "parallel_c"]
    for name in names:
        postgres_server.create(name)

    async def install(name: str) -> None:
        async with Database(postgres_server.url_of(name)) as database, database.read() as conn:
            await ensure_groups(conn)
            await ensure_logins(conn, name, SECRETS)
            await ensure_logins(conn, name, SECRETS)

    await asyncio.gather(*(install(name) for name in names))
    for name in names:
        postgres_server.drop(name)
        for process in PROCESSES:
            postgres_server.admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(f"{name}_{process}")))


def test_name_that_would_be_cut_off_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        login_of("d" * 60, "api")
    with pytest.raises(ValueError, match="not a process"):
        login_of("bascule", "cook")


# ───────── what a login may not do ─────────

SIGNER_TABLES = ["rosters", "roster_members", "limits", "wallets", "items", "slots", "signatures"]
NOT_THE_SIGNER = [role for role in ROLES if role != "signer"]
FUNCTIONS = {
    "post_opening": ("('x')", {"watcher"}),
    "post_deposit": ("('x')", {"watcher"}),
    "post_deposits": ("('{x}')", {"watcher"}),
    "deposits_to_book": ("('{x}')", set()),
    "post_internal": ("(1, 'x', 0)", {"watcher"}),
    "post_outflow": ("(1, 'x', 0)", {"watcher"}),
    "post_refund": ("('x')", {"worker"}),
    "post_hold": ("('x')", {"api", "worker"}),
    "post_release": ("('x')", {"api", "submitter"}),
    "post_payout": ("('x')", {"submitter"}),
    "post_payouts": ("('{x}')", {"submitter"}),
    "post_gas": ("('x')", {"submitter"}),
    "close_period": ("('infinity')", {"worker"}),
    "post": ("('x','x','gas',NULL,NULL,now(),'{}','{}','{}')", set()),
    "account_for": ("('available:x', 'x')", set()),
    "mark_booked": ("(1, 'x', 0, NULL)", set()),
    "guard_entries": ("('ledger.tx')", set()),
}


async def refused(db: Database, statement: str, words: str = r"permission denied|^must (be|have)") -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=words):
        async with db.read() as conn:
            await conn.execute(statement.encode())


@pytest.mark.parametrize("process", ROLES)
async def test_process_cannot_call_posting_functions_that_are_not_its_own(db_as: Open, process: str) -> None:
    db = await db_as(process)

    for name, (arguments, allowed) in FUNCTIONS.items():
        if process not in allowed:
            await refused(db, f"SELECT ledger.{name}{arguments}")


@pytest.mark.parametrize("process", PROCESSES)
async def test_process_can_call_the_posting_functions_that_are_its_own(db_as: Open, process: str) -> None:
    db = await db_as(process)

    for name, (arguments, allowed) in FUNCTIONS.items():
        if process in allowed:
            with pytest.raises((psycopg.errors.RaiseException, Retryable)):  # past the door: no such object
                async with db.read() as conn:
                    await conn.execute(f"SELECT ledger.{name}{arguments}".encode())


@pytest.mark.parametrize("process", ROLES)
async def test_no_process_writes_the_books_by_hand(db_as: Open, process: str) -> None:
    db = await db_as(process)

    for table in ("account", "balance", "tx", "entry", "entry_0", "booked"):
        with case(table):
            await refused(db, f"INSERT INTO ledger.{table} DEFAULT VALUES")
            await refused(db, f"DELETE FROM ledger.{table}")
            await refused(db, f"TRUNCATE ledger.{table} CASCADE")


@pytest.mark.parametrize("process", NOT_THE_SIGNER)
async def test_nobody_else_touches_the_signers_schema(db_as: Open, process: str) -> None:
    db = await db_as(process)

    for table in SIGNER_TABLES:
        with case(table):
            await refused(db, f"SELECT 1 FROM signer.{table}")
            await refused(db, f"INSERT INTO signer.{table} DEFAULT VALUES")
            await refused(db, f"UPDATE signer.{table} SET chain_id = 1")


async def test_signer_sees_nothing_outside_its_schema(db_as: Open) -> None:
    signer = await db_as("signer")

    for table in ("public.payouts", "public.payout_approvals", "public.approvers", "ledger.entry"):
        await refused(signer, f"SELECT 1 FROM {table}")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("rosters", "needs signatures"),
        ("roster_members", "is complete"),
        ("limits", "needs signatures"),
        ("wallets", "permission denied"),
    ],
)
async def test_signer_cannot_give_itself_authority(db_as: Open, table: str, words: str) -> None:
    signer = await db_as("signer")

    await refused(signer, f"INSERT INTO signer.{table} DEFAULT VALUES", words)
    await refused(signer, f"DELETE FROM signer.{table}")
    await refused(signer, "UPDATE signer.wallets SET frozen = false")


@pytest.mark.parametrize("process", NOT_THE_SIGNER)
async def test_no_process_becomes_another(db_as: Open, process: str) -> None:
    db = await db_as(process)

    await refused(db, "SET ROLE bascule_signer")
    await refused(db, "SET ROLE postgres")
    await refused(db, "SELECT rolpassword FROM pg_authid")
    await refused(db, "CREATE ROLE another")
    await refused(db, "CREATE TABLE public.mine (n int)")
    await refused(db, "COPY (SELECT 1) TO PROGRAM 'true'")


@pytest.mark.parametrize("process", ["watcher", "submitter"])
async def test_webhook_secrets_and_key_hashes_are_for_those_who_need_them(db_as: Open, process: str) -> None:
    db = await db_as(process)

    await refused(db, "SELECT secret FROM webhook_endpoints")
    await refused(db, "SELECT hmac FROM api_keys")
    async with db.read() as conn:
        await conn.execute("SELECT id, url FROM webhook_endpoints")


@pytest.mark.parametrize("process", ["watcher", "submitter", "worker"])
async def test_stored_answers_are_for_the_api_alone(db_as: Open, process: str) -> None:
    """The answer to making a webhook endpoint holds its secret."""
    await refused(await db_as(process), "SELECT body FROM idempotency_keys")


async def test_audit_says_itself_who_and_when(db_as: Open) -> None:
    api = await db_as("api")
    entry = "INSERT INTO audit_log (actor, action, object_id{}) VALUES ('k', 'a', 'o'{}) RETURNING db_user"

    await refused(api, entry.format(", db_user", ", 'somebody'"))
    await refused(api, entry.format(", at", ", now()"))
    async with api.read() as conn:
        row = await (await conn.execute(entry.format("", "").encode())).fetchone()
    assert row == ("test_api",)


async def test_process_that_sees_both_sides_can_verify_the_books(db_as: Open) -> None:
    for process in ("api", "submitter", "worker"):
        async with (await db_as(process)).read() as conn:
            assert await ledger.verify(conn) == []
    assert await verification.verify(await db_as("worker")) == []
