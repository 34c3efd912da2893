"""What an owner sets up from the command line, on a real database."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bascule.domain.chain import Address
from bascule.domain.finality import FinalityPolicy
from bascule.entrypoints.cli.app import run
from bascule.entrypoints.ports import free_port
from bascule.services import api_keys
from bascule.storage import networks, tokens
from bascule.storage.database import Database
from bascule.storage.networks import Network
from bascule.storage.tokens import Token
from tests.support.postgres import TestServer

Url = Callable[..., str]
PEPPER = "p" * 32


@pytest.fixture(autouse=True)
def _configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: Url) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BASCULE_CONFIG", raising=False)
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url())
    monkeypatch.setenv("BASCULE_API_PEPPER", PEPPER)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[dict[str, Any]]]:
    """Runs a command that must succeed and returns its JSON lines."""

    def ask(*words: str) -> list[dict[str, Any]]:
        assert run([*words, "--json"]) == 0, capsys.readouterr().err
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return ask


Told = Callable[..., list[dict[str, Any]]]


async def recognised(url: str, secret: str) -> str | None:
    async with Database(url) as db, db.read() as conn:
        key = await api_keys.recognise(conn, secret, PEPPER.encode())
        return None if key is None else key.account_id


def test_migrate_brings_an_empty_database_to_the_newest_schema(
    told: Told, postgres_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres_server.create("empty", "template0")
    try:
        monkeypatch.setenv("BASCULE_DATABASE_URL", postgres_server.url_of("empty"))
        [first] = told("migrate")
        [second] = told("migrate")
        assert first == second
        assert set(first) == {"event", "bridge", "signer"}
        assert told("tokens", "list") == []
    finally:
        postgres_server.drop("empty")


def test_what_a_merchant_may_do_early_is_set_shown_and_taken_back(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    [merchant] = told("merchants", "create", "Coffee shop")
    account = merchant["id"]
    early = ["merchants", "early", account]
    assert told(*early) == [{"account": account, "most": "0.000000", "tiers": ""}]

    tiers = ["--tier", "20.00=depth:2", "--tier", "100.00=safe"]
    set_ = told(*early, "--most", "100.00", *tiers)
    assert set_ == told(*early)
    assert set_[0]["tiers"] == "20.000000=depth:2 100.000000=safe"

    for wrong, said in (
        (["--most", "10.00", "--tier", "20.00=safe"], "within the largest"),
        (["--most", "100.00", "--tier", "20.00=latest"], "depth:N"),
        (["--most", "many"], "amount"),
    ):
        assert run([*early, *wrong]) == 1
        assert said in capsys.readouterr().err
    assert run([*early, "--tier", "20.00=safe"]) == 2
    assert run(["merchants", "early", "acct_nobody"]) == 1
    assert told(*early) == set_

    assert told(*early, "--most", "0.00") == [{"account": account, "most": "0.000000", "tiers": ""}]


def test_what_a_merchant_pays_is_set_in_versions_and_audited(
    told: Told, capsys: pytest.CaptureFixture[str], database_url: Url
) -> None:
    [merchant] = told("merchants", "create", "Coffee shop")
    account = merchant["id"]
    of_it = ["--account", account]
    assert told("fees", "list", *of_it) == []
    asyncio.run(known_token(database_url()))

    [first] = told("fees", "set", *of_it, "--currency", "usdc", "--bps", "50", "--fixed", "0.10")
    assert (first["version"], first["bps"], first["fixed"], first["of_100"]) == (
        1, 50, "0.100000", "0.600000",
    )  # fmt: skip
    [second] = told("fees", "set", *of_it, "--currency", "usdc", "--from", "2099-01-01T00:00:00")
    assert (second["version"], second["of_100"]) == (2, "0.000000")
    assert second["effective_from"] == "2099-01-01T00:00:00+00:00"

    for wrong, said in (
        (["--currency", "usdc", "--bps", "10001"], "10000 basis points"),
        (["--currency", "usdc", "--fixed", "1"], "decimal point"),
        (["--currency", "usdx", "--bps", "1"], "no token has the currency usdx"),
        (["--currency", "usdc", "--from", "2020-01-01T00:00:00"], "is over"),
    ):
        assert run(["fees", "set", *of_it, *wrong]) == 1
        assert said in capsys.readouterr().err
    assert run(["fees", "set", "--account", "acct_nobody", "--currency", "usdc"]) == 1
    listed = told("fees", "list", *of_it)
    assert [each["version"] for each in listed] == [1, 2]
    assert asyncio.run(audited(database_url(), account)) == ["account.fee"] * 2


async def known_token(url: str) -> None:
    async with Database(url, name="test", pool_size=1) as db, db.transaction() as conn:
        await networks.publish(
            conn, Network(31337, "local", False, FinalityPolicy("finalized"), None, None, None, None)
        )
        await tokens.publish(conn, Token("tok_1", 31337, Address(b"\xc0" * 20), "usdc", "Dollar", 6, True))


async def audited(url: str, object_id: str) -> list[str]:
    async with Database(url, name="test", pool_size=1) as db, db.read() as conn:
        rows = await conn.execute(
            "SELECT action FROM audit_log WHERE object_id = %s AND action LIKE 'account.fee%%' ORDER BY id",
            [object_id],
        )
        return [row[0] for row in await rows.fetchall()]


def test_merchant_and_its_key_are_made_and_recognised(told: Told, database_url: Url) -> None:
    [merchant] = told("merchants", "create", "Shoe shop")
    [key] = told("keys", "create", "--account", merchant["id"], "--name", "till")

    assert key["secret"].startswith("sk_test_")
    assert asyncio.run(recognised(database_url(), key["secret"])) == merchant["id"]
    [listed] = told("keys", "list", "--account", merchant["id"])
    assert (listed["id"], listed["name"], listed["ends"]) == (key["id"], "till", "never")
    assert key["secret"] not in json.dumps(listed)
    assert [account["name"] for account in told("merchants", "list")] == ["Shoe shop"]


def test_rotated_key_ends_after_its_grace_and_the_new_one_stays(told: Told) -> None:
    [merchant] = told("merchants", "create", "Shoe shop")
    [old] = told("keys", "create", "--account", merchant["id"], "--kind", "rk", "--scope", "payouts:read")

    [new] = told("keys", "rotate", old["id"], "--account", merchant["id"], "--grace-hours", "2")

    listed = {key["id"]: key for key in told("keys", "list", "--account", merchant["id"])}
    assert listed[old["id"]]["ends"] == new["old_key_ends"]
    assert listed[new["id"]]["ends"] == "never"
    assert listed[new["id"]]["scopes"] == "payouts:read"
    assert new["secret"].startswith("rk_test_")


def test_revoked_key_has_ended_and_cannot_be_revoked_again(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    [merchant] = told("merchants", "create", "Shoe shop")
    [key] = told("keys", "create", "--account", merchant["id"])

    told("keys", "revoke", key["id"], "--account", merchant["id"])

    assert told("keys", "list", "--account", merchant["id"])[0]["ends"] != "never"
    assert run(["keys", "revoke", key["id"], "--account", merchant["id"]]) == 1
    assert "no working key" in capsys.readouterr().err


def test_key_for_nobody_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "create", "--account", "acct_nobody"]) == 1
    assert "there is no account acct_nobody" in capsys.readouterr().err
    assert run(["keys", "create", "--account", "acct_nobody", "--kind", "zz"]) == 2


def test_every_change_leaves_a_line_in_the_audit(told: Told, database_url: Url) -> None:
    [merchant] = told("merchants", "create", "Shoe shop")
    [key] = told("keys", "create", "--account", merchant["id"])
    told("keys", "rotate", key["id"], "--account", merchant["id"])

    with psycopg.connect(database_url()) as conn:
        found = conn.execute("SELECT action, actor FROM audit_log ORDER BY id").fetchall()
    assert found == [
        ("merchant.create", "cli"),
        ("key.create", "cli"),
        ("key.create", "cli"),
        ("key.rotate", "cli"),
    ]


def test_local_webhooks_beside_a_live_key_stop_the_worker(
    told: Told, database_url: Url, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [merchant] = told("merchants", "create", "Shoe shop")
    told("keys", "create", "--account", merchant["id"], "--live")
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url("worker"))
    monkeypatch.setenv("BASCULE_WEBHOOK_ALLOW_LOCAL", "true")

    assert run(["worker"]) == 1
    assert "BASCULE_WEBHOOK_ALLOW_LOCAL is true beside 1 live keys" in capsys.readouterr().err


def test_sandbox_beside_a_live_key_stops_the_api(
    told: Told, database_url: Url, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [merchant] = told("merchants", "create", "Shoe shop")
    told("keys", "create", "--account", merchant["id"], "--live")
    open_sandbox(monkeypatch, database_url("api"), "31337=http://127.0.0.1:1")

    assert run(["api"]) == 1
    assert "BASCULE_SANDBOX is true beside 1 live keys" in capsys.readouterr().err


@pytest.mark.parametrize("chains", [None, "1=http://127.0.0.1:1", "31337=http://a 1=http://b"])
def test_sandbox_is_refused_where_money_may_be_real(
    chains: str | None,
    database_url: Url,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    open_sandbox(monkeypatch, database_url("api"), chains)

    assert run(["api"]) == 1
    assert "BASCULE_SANDBOX is for development chains alone" in capsys.readouterr().err


def open_sandbox(monkeypatch: pytest.MonkeyPatch, url: str, chains: str | None) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL", url)
    monkeypatch.setenv("BASCULE_SANDBOX", "true")
    monkeypatch.setenv("BASCULE_DEPOSIT_SEED", "ab" * 32)
    monkeypatch.setenv("BASCULE_API_PORT", str(free_port("127.0.0.1", 0)))
    if chains:
        monkeypatch.setenv("BASCULE_CHAINS", chains)


@pytest.mark.parametrize("chains", [None, "1=http://127.0.0.1:1", "31337=http://a 1=http://b"])
def test_failpoints_are_refused_where_money_may_be_real(
    chains: str | None,
    database_url: Url,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url("worker"))
    monkeypatch.setenv("BASCULE_FAILPOINTS", "worker.somewhere=1")
    if chains:
        monkeypatch.setenv("BASCULE_CHAINS", chains)

    assert run(["worker"]) == 1
    assert "BASCULE_FAILPOINTS is for development chains alone" in capsys.readouterr().err


def test_failpoint_nobody_knows_is_named(
    database_url: Url, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url("worker"))
    monkeypatch.setenv("BASCULE_FAILPOINTS", "worker.somewhere=1")
    monkeypatch.setenv("BASCULE_CHAINS", "31337=http://127.0.0.1:1")

    assert run(["worker"]) == 1
    assert "no failpoint is named 'worker.somewhere'" in capsys.readouterr().err


@pytest.mark.parametrize("switch", ["BASCULE_WEBHOOK_ALLOW_LOCAL", "BASCULE_SANDBOX"])
def test_live_key_is_refused_where_a_switch_for_tests_is_on(
    switch: str, told: Told, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [merchant] = told("merchants", "create", "Shoe shop")
    monkeypatch.setenv(switch, "true")

    assert run(["keys", "create", "--account", merchant["id"], "--live"]) == 1

    assert switch in capsys.readouterr().err
    assert told("keys", "list", "--account", merchant["id"]) == []


def test_scope_that_no_operation_asks_for_is_refused(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    [merchant] = told("merchants", "create", "Shoe shop")

    assert run(["keys", "create", "--account", merchant["id"], "--kind", "rk", "--scope", "money:all"]) == 2

    assert "payouts:write" in capsys.readouterr().err
    assert told("keys", "list", "--account", merchant["id"]) == []


async def one_token(url: str) -> None:
    async with Database(url) as db, db.transaction() as conn:
        at, policy = Address(b"\x11" * 20), FinalityPolicy("finalized")
        await networks.publish(conn, Network(31337, "local", False, policy, None, None, None, None))
        await tokens.publish(conn, Token("tok_1", 31337, at, "usdt", "", 6, True))


def test_a_tokens_floors_are_set_one_by_one_and_taken_away(
    told: Told, database_url: Url, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(one_token(database_url()))

    [first] = told("tokens", "floors", "tok_1", "--dust", "0.01", "--minimum", "1.00")
    [second] = told("tokens", "floors", "tok_1", "--dust", "0.00")

    assert (first["dust"], first["minimum"]) == ("0.010000", "1.000000")
    assert (second["dust"], second["minimum"]) == ("0.000000", "1.000000")
    assert told("tokens", "list") == [second]
    for wrong in ("1", "-1.00", "0.0000001"):
        assert run(["tokens", "floors", "tok_1", "--dust", wrong]) == 1
        assert "--dust: " in capsys.readouterr().err
    assert told("tokens", "list") == [second]


def test_resume_is_refused_where_nothing_is_halted_and_needs_a_reason(
    told: Told, database_url: Url, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database_url(), autocommit=True) as conn:
        conn.execute(
            "INSERT INTO networks (chain_id, name, livemode, finality_kind)"
            " VALUES (31337, 'dev', false, 'finalized')"
        )
        conn.execute(
            "INSERT INTO cursors (chain_id, next_number, last_hash, head_time, finalized_number,"
            " finalized_hash) VALUES (31337, 1, %s, now(), 0, %s)",
            (bytes(32), bytes(32)),
        )
        assert run(["watcher", "resume", "--chain", "dev", "--reason", "drill"]) == 1
        assert "is not halted" in capsys.readouterr().err
        conn.execute("UPDATE cursors SET halted_reason = 'block 0 was final', halts = 1")
        assert run(["watcher", "resume", "--chain", "dev", "--reason", " "]) == 2
        [lifted] = told("watcher", "resume", "--chain", "31337", "--reason", "the node is repaired")
        assert lifted == {"network": "eip155:31337", "was": "block 0 was final"}
        audit = "SELECT actor, details FROM audit_log WHERE action = 'chain.resume'"
        [(actor, details)] = conn.execute(audit)
    assert (actor, details["reason"]) == ("cli", "the node is repaired")


def test_replay_is_refused_beyond_what_was_read_on_a_halted_chain_and_without_a_node(
    told: Told, database_url: Url, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any node is asked, and nothing is written."""
    monkeypatch.setenv("BASCULE_DATABASE_URL_WATCHER", database_url("watcher"))
    words = ["watcher", "replay", "--chain", "31337", "--from", "1", "--reason", "drill"]
    with psycopg.connect(database_url(), autocommit=True) as conn:
        conn.execute(
            "INSERT INTO networks (chain_id, name, livemode, finality_kind)"
            " VALUES (31337, 'dev', false, 'finalized')"
        )
        conn.execute(
            "INSERT INTO cursors (chain_id, next_number, last_hash, head_time, finalized_number,"
            " finalized_hash) VALUES (31337, 8, %s, now(), 0, %s)",
            (bytes(32), bytes(32)),
        )
        assert run(words) != 0
        assert "BASCULE_CHAINS" in capsys.readouterr().err
        monkeypatch.setenv("BASCULE_CHAINS", "31337=http://127.0.0.1:9")
        assert run([*words, "--to", "8"]) == 1
        assert "read are those up to 7" in capsys.readouterr().err
        conn.execute("UPDATE cursors SET halted_reason = 'block 0 was final', halts = 1")
        assert run(words) == 1
        assert "is halted" in capsys.readouterr().err
        assert conn.execute("SELECT 1 FROM audit_log WHERE action = 'chain.replay'").fetchall() == []


def test_a_node_is_freed_by_the_name_that_its_pool_gives_it(
    told: Told, database_url: Url, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BASCULE_CHAINS", "31337=http://key@node.example:8545/secret")
    with psycopg.connect(database_url(), autocommit=True) as conn:
        conn.execute(
            "INSERT INTO networks (chain_id, name, livemode, finality_kind)"
            " VALUES (31337, 'dev', false, 'finalized')"
        )
        words = ["watcher", "free-node", "--chain", "dev", "--reason", "it was repaired", "--node"]
        assert run([*words, "other.example"]) == 2
        assert "its nodes are node.example:8545" in capsys.readouterr().err
        assert told(*words, "node.example:8545") == [{"network": "eip155:31337", "node": "node.example:8545"}]
        pardoned = conn.execute("SELECT chain_id, node FROM node_pardons").fetchall()
        audit = conn.execute("SELECT details FROM audit_log WHERE action = 'node.free'").fetchall()
    assert pardoned == [(31337, "node.example:8545")]
    assert audit == [({"node": "node.example:8545", "reason": "it was repaired"},)]
