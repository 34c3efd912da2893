"""Configuration: environment over file, and a bad value stops with its name and an example."""

from pathlib import Path

import pytest

from bascule import settings
from bascule.domain.finality import FinalityPolicy
from bascule.settings import BadConfiguration
from bascule.settings.parse import NodeSettings


def refused(environ: dict[str, str]) -> BadConfiguration:
    with pytest.raises(BadConfiguration) as caught:
        settings.load(environ)
    return caught.value


def test_empty_environment_gives_every_default() -> None:
    loaded = settings.load({"PATH": "/bin", "HOME": "/root"})

    assert loaded == settings.Settings()
    assert (loaded.api_port, loaded.chains, loaded.failpoints) == (8000, (), ())


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "bascule.toml"
    file.write_text('api_port = 9000\napi_host = "::1"\n')

    loaded = settings.load({"BASCULE_CONFIG": str(file), "BASCULE_API_PORT": "9001"})

    assert (loaded.api_port, loaded.api_host) == (9001, "::1")


def test_chains_come_from_tables_with_urls_taken_from_variables(tmp_path: Path) -> None:
    file = tmp_path / "bascule.toml"
    file.write_text(
        '[[chains]]\nid = 8453\nname = "base"\nrpc = [{ url = "env:NODE" }]\npoll_interval_ms = 100\n'
    )

    loaded = settings.load({"BASCULE_CONFIG": str(file), "NODE": "https://node.example/key"})

    assert loaded.chain(8453) == settings.ChainSettings(
        8453, "base", (NodeSettings("https://node.example/key"),), 100, livemode=True
    )
    assert "NODE, which is not set" in str(refused({"BASCULE_CONFIG": str(file)}))


def test_a_chain_names_several_nodes_by_tier_and_how_many_must_agree(tmp_path: Path) -> None:
    file = tmp_path / "bascule.toml"
    file.write_text(
        "[[chains]]\nid = 1\nquorum = 2\n"
        'rpc = [{ url = "http://a" }, "http://b", { url = "http://c", tier = 2 }]\n'
    )

    chain = settings.load({"BASCULE_CONFIG": str(file)}).chain(1)

    nodes = (NodeSettings("http://a"), NodeSettings("http://b"), NodeSettings("http://c", 2))
    assert (chain.rpc, chain.quorum) == (nodes, 2)


@pytest.mark.parametrize(("nodes", "quorum"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_most_nodes_must_agree_where_nobody_says_how_many(tmp_path: Path, nodes: int, quorum: int) -> None:
    file = tmp_path / "bascule.toml"
    urls = ", ".join(f'"http://node-{n}"' for n in range(nodes))
    file.write_text(f"[[chains]]\nid = 1\nrpc = [{urls}]\n")

    assert settings.load({"BASCULE_CONFIG": str(file)}).chain(1).quorum == quorum


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('quorum = 2\nrpc = ["http://a"]', "quorum of 2 on chain 1, which has 1"),
        ('quorum = 0\nrpc = ["http://a"]', "not a whole number from 1"),
        ('rpc = ["http://a", "http://a"]', "a node .rpc. of chain 1 twice"),
        ('rpc = [{ url = "http://a", tier = 0 }]', "not a whole number from 1"),
        ('rpc = [{ url = "http://a", weight = 1 }]', "does not know: 'weight'"),
    ],
)
def test_nodes_that_cannot_be_used_stop_the_start(tmp_path: Path, table: str, says: str) -> None:
    file = tmp_path / "bascule.toml"
    file.write_text(f"[[chains]]\nid = 1\n{table}\n")
    with pytest.raises(BadConfiguration, match=says):
        settings.load({"BASCULE_CONFIG": str(file)})


@pytest.mark.parametrize(
    ("chain", "finality", "read"),
    [
        (1, '"finalized"', FinalityPolicy("finalized")),
        (8453, '"safe"', FinalityPolicy("safe")),
        (1, "{ depth = 64 }", FinalityPolicy("depth", 64)),
        (43_114, "{ depth = 0 }", FinalityPolicy("depth", 0)),
        (31_337, "{ depth = 1 }", FinalityPolicy("depth", 1)),
    ],
)
def test_a_chain_names_what_makes_its_blocks_final(
    tmp_path: Path, chain: int, finality: str, read: FinalityPolicy
) -> None:
    file = tmp_path / "bascule.toml"
    file.write_text(f'[[chains]]\nid = {chain}\nrpc = ["http://n/a"]\nfinality = {finality}\n')

    assert settings.load({"BASCULE_CONFIG": str(file)}).chain(chain).finality == read


@pytest.mark.parametrize(
    ("chain", "finality", "says"),
    [
        (1, '"latest"', 'write "finalized", "safe" or { depth = N }'),
        (1, "64", "has 64 for the finality of chain 1"),
        (1, "{ depth = true }", "write"),
        (1, "{ depth = -1 }", "write"),
        (1, "{ depth = 64, safe = 1 }", "write"),
        (1, "{ depth = 12 }", "a depth of 64 or more"),
        (8453, "{ depth = 64 }", "a depth of 450 or more"),
        (42_161, "{ depth = 64 }", "a depth of 3600 or more"),
        (137, "{ depth = 64 }", "a depth of 256 or more"),
        (7_777_777, "{ depth = 63 }", "a depth of 64 or more"),
    ],
)
def test_a_finality_that_is_none_stops_the_start(
    tmp_path: Path, chain: int, finality: str, says: str
) -> None:
    file = tmp_path / "bascule.toml"
    file.write_text(f'[[chains]]\nid = {chain}\nrpc = ["http://n/a"]\nfinality = {finality}\n')

    assert says in str(refused({"BASCULE_CONFIG": str(file)}))


def test_chains_come_from_pairs_in_the_environment() -> None:
    loaded = settings.load({"BASCULE_CHAINS": "1=http://a:1 31337=http://b:2"})

    assert [(chain.id, chain.rpc) for chain in loaded.chains] == [
        (1, (NodeSettings("http://a:1"),)),
        (31337, (NodeSettings("http://b:2"),)),
    ]
    with pytest.raises(BadConfiguration, match="names no node of chain 5"):
        loaded.chain(5)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("BASCULE_API_PORT", "0"),
        ("BASCULE_API_PORT", "http"),
        ("BASCULE_API_PORT", "65536"),
        ("BASCULE_DATABASE_URL", "mysql://x"),
        ("BASCULE_DATABASE_URL_SIGNER", ""),
        ("BASCULE_DEPOSIT_SEED", "abcd"),
        ("BASCULE_API_PEPPER", "short"),
        ("BASCULE_RPC_TIMEOUT_S", "-1"),
        ("BASCULE_WEBHOOK_ALLOW_LOCAL", "perhaps"),
        ("BASCULE_PUBLIC_URL", "pay.example"),
        ("BASCULE_LOG_LEVEL", "loud"),
        ("BASCULE_CHAINS", "8453"),
        ("BASCULE_CHAINS", "8453=ftp://x"),
        ("BASCULE_CHAINS", "1=http://a 1=http://b"),
        ("BASCULE_FAILPOINTS", "watcher.after_commit=0"),
        ("BASCULE_CONFIG", "/nowhere/bascule.toml"),
    ],
)
def test_bad_value_is_named_and_an_example_shown(name: str, bad: str) -> None:
    error = refused({name: bad})

    assert str(error).startswith(name + " ")
    assert error.next_step is not None
    assert error.next_step.startswith("example: ")


def test_unknown_entry_of_the_file_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "bascule.toml"
    file.write_text("api_prot = 9000\n")

    assert str(refused({"BASCULE_CONFIG": str(file)})).startswith("api_prot is not a setting")


def test_refusal_of_a_database_url_does_not_repeat_its_password() -> None:
    assert "hunter2" not in str(refused({"BASCULE_DATABASE_URL": "mysql://x:hunter2@db/x"}))


def test_own_url_of_a_role_wins_over_the_general_one() -> None:
    loaded = settings.load(
        {"BASCULE_DATABASE_URL": "postgresql://a@/x", "BASCULE_DATABASE_URL_WORKER": "postgresql://b@/x"}
    )

    assert (loaded.database_of("api"), loaded.database_of("worker")) == (
        "postgresql://a@/x",
        "postgresql://b@/x",
    )


def test_missing_value_a_process_needs_is_named() -> None:
    with pytest.raises(BadConfiguration, match=r"^BASCULE_DATABASE_URL_SIGNER is not set"):
        settings.Settings().database_of("signer")


def test_secrets_are_shown_as_set_or_not_set_only() -> None:
    loaded = settings.load(
        {
            "BASCULE_API_PEPPER": "p" * 32,
            "BASCULE_CHAINS": "1=http://node/key-in-path",
            "BASCULE_API_PORT": "81",
        }
    )

    shown = {line.name: line for line in loaded.shown()}

    assert shown["BASCULE_API_PEPPER"].value == "set"
    assert shown["BASCULE_DEPOSIT_SEED"].value == "not set"
    assert shown["BASCULE_CHAINS"].value == "1 (1 nodes)"
    assert (shown["BASCULE_API_PORT"].value, shown["BASCULE_API_PORT"].default) == ("81", "8000")
    assert all(line.unit and line.meaning for line in shown.values())


def test_a_process_keeps_its_own_secrets_alone() -> None:
    everything = settings.load(
        {
            "BASCULE_DATABASE_URL_API": "postgresql://api:a@db.example/x",
            "BASCULE_DATABASE_URL_SIGNER": "postgresql://signer:s@db.example/x",
            "BASCULE_API_PEPPER": "p" * 32,
            "BASCULE_SIGNER_KEYSTORE_PASSWORD": "open sesame",
            "BASCULE_API_PORT": "8001",
        }
    )

    api = everything.keeping("database_url_api", "api_pepper")

    assert (api.database_url_api, api.api_pepper) == (everything.database_url_api, "p" * 32)
    assert (api.database_url_signer, api.signer_keystore_password) == (None, None)
    assert api.api_port == 8001


def test_who_may_ask_the_signer_and_where_is_read_and_shown() -> None:
    wallet = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    loaded = settings.load(
        {
            "BASCULE_SIGNER_UIDS": "1001, 1002",
            "BASCULE_SIGNER_LISTEN": "[::1]:9443",
            "BASCULE_SIGNER_CLIENTS": f"submitter-1={wallet},{wallet.lower()} operator=*",
        }
    )

    shown = {line.name: line.value for line in loaded.shown()}
    assert shown["BASCULE_SIGNER_UIDS"] == "1001, 1002"
    assert shown["BASCULE_SIGNER_LISTEN"] == "[::1]:9443"
    assert shown["BASCULE_SIGNER_CLIENTS"] == f"submitter-1={wallet},{wallet}, operator=*"


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("UIDS", "root"),
        ("UIDS", "-1"),
        ("LISTEN", "9443"),
        ("LISTEN", "host:0"),
        ("LISTEN", "::1:9443"),
        ("CLIENTS", "submitter-1"),
        ("CLIENTS", "submitter-1="),
        ("CLIENTS", "submitter-1=0x12"),
        ("CLIENTS", "*=*"),
        ("CLIENTS", "a=* a=*"),
    ],
)
def test_signers_place_or_client_that_is_none_stops_the_start(name: str, bad: str) -> None:
    assert f"BASCULE_SIGNER_{name}" in str(refused({f"BASCULE_SIGNER_{name}": bad}))
