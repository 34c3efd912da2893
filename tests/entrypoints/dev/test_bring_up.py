"""Set-up: everything once, completed after an interruption, refused where it does not belong."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from bascule import settings
from bascule.domain.chain import checksum, parse_address
from bascule.entrypoints import wallet_keys, wiring
from bascule.entrypoints.dev.bring_up import Where, as_login, bring_up
from bascule.entrypoints.dev.installation import FolderRefused, Installation
from bascule.entrypoints.devchain.node import DevChain
from bascule.storage.database import Database
from bascule.storage.roles import PROCESSES
from tests.support.postgres import TestServer

TABLES = (
    *("accounts", "api_keys", "approvers", "networks", "tokens", "policies", "own_addresses"),
    *("treasury_sources", "wallets", "lanes", "signer.rosters", "signer.roster_members", "signer.limits"),
    *("signer.wallets", "gas_routes", "signer.top_up_limits", "signer.anchor_limits"),
)


@pytest.fixture
def owner_url(postgres_server: TestServer) -> Iterator[str]:
    """An empty database."""
    name = f"bascule_dev_{secrets.token_hex(4)}"
    postgres_server.create(name, "template0")
    yield postgres_server.url_of(name)
    postgres_server.drop(name)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "data")
    made.open()
    yield made
    made.close()


@pytest.fixture
async def chain() -> AsyncIterator[DevChain]:
    async with DevChain(block_time=0.1) as started:
        yield started


def where(owner_url: str, chain: DevChain) -> Where:
    return Where(owner_url, chain.url, "http://127.0.0.1:8000", "127.0.0.1", 8000)


async def counts(owner_url: str) -> dict[str, int]:
    """How many rows each table of set-up has."""
    async with await psycopg.AsyncConnection.connect(owner_url) as conn:
        found = {}
        for table in TABLES:
            row = await (await conn.execute(f"SELECT count(*) FROM {table}".encode())).fetchone()  # type: ignore[arg-type]
            assert row is not None
            found[table] = int(row[0])
        return found


async def test_second_start_adds_nothing_and_says_the_same(
    owner_url: str, installation: Installation, chain: DevChain
) -> None:
    first = await bring_up(installation, where(owner_url, chain))
    before = await counts(owner_url)

    second = await bring_up(installation, where(owner_url, chain))

    assert second == first
    assert await counts(owner_url) == before
    assert min(before.values()) >= 1


async def test_ready_line_says_what_the_chain_and_the_configuration_hold(
    owner_url: str, installation: Installation, chain: DevChain
) -> None:
    ready = await bring_up(installation, where(owner_url, chain))

    assert list(ready) == [
        *("event", "api_url", "rpc_url", "chain_id", "database_url", "secret_key", "publishable_key"),
        *("treasury", "tokens", "vault", "deposit_factory", "funded_accounts"),
    ]
    assert [set(token) for token in ready["tokens"]] == [{"currency", "contract", "decimals"}]
    assert len(ready["treasury"]["approvers"]) == 3
    for each in (*ready["treasury"]["approvers"], *ready["funded_accounts"]):
        assert checksum(wallet_keys.wallet_of(each["private_key"])) == each["address"]
    loaded = settings.load({"BASCULE_CONFIG": str(installation.config)})
    assert [node.url for node in loaded.chain(31337).rpc] == [chain.url]
    assert os.stat(installation.config).st_mode & 0o077 == 0


async def test_every_process_gets_a_login_of_its_own_role(
    owner_url: str, installation: Installation, chain: DevChain
) -> None:
    await bring_up(installation, where(owner_url, chain))
    loaded = settings.load({"BASCULE_CONFIG": str(installation.config)})

    for role in PROCESSES:
        async with wiring.database(loaded, role) as db:
            assert db.url == loaded.database_of(role)


@pytest.mark.parametrize(
    "step",
    [
        "_treasury",
        *(
            pytest.param(s, marks=pytest.mark.slow)
            for s in ("_people", "network.register", "_keys", "_settings")
        ),
    ],
)
async def test_start_interrupted_in_set_up_is_completed_by_the_next(
    owner_url: str,
    installation: Installation,
    chain: DevChain,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(f"bascule.entrypoints.dev.bring_up.{step}", crash)
        with pytest.raises(Crash):
            await bring_up(installation, where(owner_url, chain))

    ready = await bring_up(installation, where(owner_url, chain))

    found = await counts(owner_url)
    assert (found["accounts"], found["lanes"], found["signer.roster_members"]) == (2, 1, 6)
    assert ready["event"] == "ready"
    assert await bring_up(installation, where(owner_url, chain)) == ready


async def test_folder_of_another_chain_is_refused(
    owner_url: str, installation: Installation, chain: DevChain
) -> None:
    await bring_up(installation, where(owner_url, chain))

    async with DevChain(block_time=0.1) as other:  # the same genesis, and another history
        with pytest.raises(FolderRefused, match="another chain 31337 than the one"):
            await bring_up(installation, where(owner_url, other))


async def test_database_of_another_installation_is_refused(
    owner_url: str, installation: Installation, chain: DevChain, tmp_path: Path
) -> None:
    await bring_up(installation, where(owner_url, chain))
    stranger = Installation(tmp_path / "other")
    stranger.open()
    try:
        with pytest.raises(FolderRefused, match="belongs to another installation"):
            await bring_up(stranger, where(owner_url, chain))
    finally:
        stranger.close()
    loaded = settings.load({"BASCULE_CONFIG": str(installation.config)})
    async with wiring.database(loaded, "worker"):
        pass  # the refused one has changed no password


async def test_login_replaces_user_and_password_and_nothing_else() -> None:
    assert (
        as_login("postgresql://a:b@/x?host=%2Ftmp", "me", "p@ss") == "postgresql://me:p%40ss@/x?host=%2Ftmp"
    )
    assert as_login("postgresql://db:5432/x", "me", "pw") == "postgresql://me:pw@db:5432/x"


async def test_address_of_the_vault_is_the_one_in_the_database(
    owner_url: str, installation: Installation, chain: DevChain
) -> None:
    ready = await bring_up(installation, where(owner_url, chain))

    async with Database(owner_url) as db, db.read() as conn:
        row = await (await conn.execute("SELECT vault FROM networks")).fetchone()
    assert row is not None
    assert bytes(row[0]) == parse_address(ready["vault"])
