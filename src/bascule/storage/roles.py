"""Who may do what in the database: one group role per process, one login role per process and installation.

Beside the processes stands the auditor, whom no process logs in as.

Groups (`bascule_api` …) belong to the cluster and get their grants in migrations. Logins (`<database>_api` …)
belong to one installation, have one group and one secret each, and its database lets in nobody else.
Doing any of this again is harmless, also when several installations on one server do it at the same time.
"""

from collections.abc import Mapping
from typing import Final

import psycopg
from psycopg import sql

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

PROCESSES: Final = ("api", "watcher", "submitter", "signer", "worker")
READERS: Final = ("auditor",)  # people and their tools, who write nothing
ROLES: Final = (*PROCESSES, *READERS)
MAX_IDENTIFIER = 63  # PostgreSQL: NAMEDATALEN - 1
Q = Queries("roles")


def group_of(process: str) -> str:
    """The group role of a process or a reader."""
    if process not in ROLES:
        raise ValueError(f"{process} is not a process with a database role")
    return f"bascule_{process}"


def login_of(database: str, process: str) -> str:
    """The login role of a process in one installation; ValueError when PostgreSQL would cut it off."""
    name = f"{database}_{process}"
    if name == group_of(process):  # a database called bascule
        name += "_login"
    if len(name.encode()) > MAX_IDENTIFIER:
        raise ValueError(f"the database name {database} is too long to name login roles after")
    return name


async def ensure_groups(conn: Connection) -> None:
    """All group roles exist and cannot log in."""
    names = [group_of(process) for process in ROLES]
    present = {row["rolname"] for row in await Q.all(conn, "existing", names=names)}
    for name in names:
        if name not in present:
            await _create(conn, name)


async def ensure_logins(conn: Connection, database: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """Each process of `secrets` has a login with that secret, its one group, and the right to connect here.

    Returns login names by process. Nobody but these (and the database's owner) may connect to `database`.
    """
    logins = {process: login_of(database, process) for process in secrets}
    present = {row["rolname"] for row in await Q.all(conn, "existing", names=list(logins.values()))}
    here = sql.Identifier(database)
    async with conn.transaction():
        await conn.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(here))
        for process, login in logins.items():
            if login not in present:
                await _create(conn, login)
            # the server receives the verifier, so no log of statements can hold the secret
            verifier = conn.pgconn.encrypt_password(
                secrets[process].encode(), login.encode(), b"scram-sha-256"
            )
            role, group = sql.Identifier(login), sql.Identifier(group_of(process))
            await conn.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, verifier.decode()))
            await conn.execute(sql.SQL("GRANT {} TO {}").format(group, role))
            await conn.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(here, role))
            if process == "watcher":  # transfers land in a temporary table before they part
                await conn.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(here, role))
    return logins


async def excess_rights(conn: Connection, expected_group: str) -> list[str]:
    """What the current login has beyond, or lacks of, plain membership in `expected_group`; best empty."""
    attributes = await Q.one(conn, "attributes")
    if attributes["superuser"]:
        return ["superuser"]
    excess = [name for name, held in attributes.items() if held]
    groups = [row["rolname"] for row in await Q.all(conn, "memberships")]
    excess += [f"member of {name}" for name in groups if name != expected_group]
    if expected_group not in groups:
        excess.append(f"not a member of {expected_group}")
    return excess


async def _create(conn: Connection, name: str) -> None:
    """Creates a role without any right; another session may have been faster."""
    try:
        async with conn.transaction():
            await conn.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        pass
