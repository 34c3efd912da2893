"""Where a process finds its database, its chains and our contracts on them."""

# ruff: noqa: RUF009 - `value` is how a setting is declared

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bascule.settings import contracts as born
from bascule.settings import parse
from bascule.settings.parse import ChainSettings
from bascule.settings.value import value


def _database(role: str) -> Any:
    return value(
        None, parse.database_url, unit="URL", secret=True,
        meaning=f"database of the {role} process, under its own login",
        example=f"postgresql://bascule_{role}:secret@db.example/bascule",
    )  # fmt: skip


@dataclass(frozen=True)
class Connections:
    """Where a process finds its database, its chains and our contracts on them."""

    database_url: str | None = value(
        None, parse.database_url, unit="URL", secret=True,
        meaning="the database; migrate and dev take the owner's login here, a process its own role's",
        example="postgresql://bascule:secret@db.example/bascule",
    )  # fmt: skip
    database_url_api: str | None = _database("api")
    database_url_watcher: str | None = _database("watcher")
    database_url_submitter: str | None = _database("submitter")
    database_url_signer: str | None = _database("signer")
    database_url_worker: str | None = _database("worker")
    database_url_auditor: str | None = value(
        None, parse.database_url, unit="URL", secret=True,
        meaning="database of whoever audits, under a login that only reads",
        example="postgresql://bascule_auditor:secret@db.example/bascule",
    )  # fmt: skip
    database_pool_size: int = value(
        6, parse.between(1, 200), unit="connections",
        meaning="most connections one process holds", example="6",
    )  # fmt: skip
    chains: tuple[ChainSettings, ...] = value(
        (), parse.chains, unit="list", secret=True,
        meaning="networks and their nodes; in the environment: CHAIN_ID=URL, several separated by blanks",
        example="8453=https://node.example/key",
    )  # fmt: skip
    contracts: born.ContractsSettings | None = value(
        None, born.contracts, unit="table in the file",
        meaning="what our contracts are born with, on every chain the same: it decides their addresses",
        example='contracts = { deployer = "0x…", treasury = "0x…", guardian = "0x…", canceller = "0x…" }',
    )  # fmt: skip
    deployments: tuple[born.Deployed, ...] = value(
        (), born.deployments, unit="tables in the file",
        meaning="our contracts on each chain and their code, as `bascule contracts deploy` writes them",
        example='[[deployments]] with chain, contract, address and code_hash',
    )  # fmt: skip
    deployer_key: bytes | None = value(
        None, parse.seed, unit="32 bytes in hex", secret=True,
        meaning="private key of the account that deploys, for `bascule contracts deploy` alone",
        example="env:DEPLOYER_KEY",
    )  # fmt: skip
    deployer_keystore: Path | None = value(
        None, parse.path, unit="path",
        meaning="file with the encrypted key of the account that deploys, instead of the key itself",
        example="/etc/bascule/deployer.json",
    )  # fmt: skip
    deployer_keystore_password: str | None = value(
        None, parse.text, unit="text", secret=True,
        meaning="opens the deployer's keystore", example="the content of a mounted secret",
    )  # fmt: skip
    rpc_timeout_s: float = value(
        10.0, parse.seconds, unit="seconds", meaning="how long a node may take to answer", example="10"
    )
    deposit_seed: bytes | None = value(
        None, parse.seed, unit="32 bytes in hex", secret=True,
        meaning="derives deposit addresses; keep a copy apart from the database",
        example="openssl rand -hex 32",
    )  # fmt: skip
    deposit_epoch: int = value(
        0, parse.between(0, 2**32 - 1), unit="number",
        meaning="raised after restoring an old backup, so that no address is issued twice", example="0",
    )  # fmt: skip
    restore_gap: int = value(
        1_000_000, parse.between(0, 100_000_000), unit="addresses",
        meaning="how many addresses behind the last known one a restore check watches, on each network",
        example="1000000",
    )  # fmt: skip
    state_folder: Path | None = value(
        None, parse.path, unit="path",
        meaning="folder, not on the database's disk, where API and watchers keep how far they saw its log: so"
        " older files put back while none of them ran are noticed",
        example="/var/lib/bascule",
    )  # fmt: skip
