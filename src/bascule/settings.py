"""Every value an operator can set: its name, unit, default and meaning, in one place.

`load(environ)` reads `BASCULE_<NAME>` from the environment over the TOML file that `BASCULE_CONFIG` names.
A value that cannot be used stops the start with `BadConfiguration`, which names it and shows a right one.
Only wiring imports this module.
"""

# ruff: noqa: RUF009 - `value` is how a field of Settings is declared

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from bascule import settings_contracts, settings_rates, settings_signer
from bascule import settings_parse as parse
from bascule.settings_parse import BadConfiguration, ChainSettings

__all__ = ["BadConfiguration", "ChainSettings", "Settings", "Shown", "load"]

PREFIX = "BASCULE_"


def value(
    default: Any,
    read: Callable[[Any], Any],
    *,
    unit: str,
    meaning: str,
    example: str,
    secret: bool = False,
) -> Any:
    """One setting: how it is read and what `bascule doctor` says about it."""
    about = {"read": read, "unit": unit, "meaning": meaning, "example": example, "secret": secret}
    return dataclasses.field(default=default, metadata=about, repr=not secret)


def _database(role: str) -> Any:
    return value(
        None, parse.database_url, unit="URL", secret=True,
        meaning=f"database of the {role} process, under its own login",
        example=f"postgresql://bascule_{role}:secret@db.example/bascule",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """What one process was told. Field `x` is `BASCULE_X` in the environment and `x` in the file."""

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
    database_pool_size: int = value(
        6, parse.between(1, 200), unit="connections",
        meaning="most connections one process holds", example="6",
    )  # fmt: skip
    chains: tuple[ChainSettings, ...] = value(
        (), parse.chains, unit="list", secret=True,
        meaning="networks and their nodes; in the environment: CHAIN_ID=URL, several separated by blanks",
        example="8453=https://node.example/key",
    )  # fmt: skip
    contracts: settings_contracts.ContractsSettings | None = value(
        None, settings_contracts.contracts, unit="table in the file",
        meaning="what our contracts are born with, on every chain the same: it decides their addresses",
        example='contracts = { deployer = "0x…", treasury = "0x…", guardian = "0x…", canceller = "0x…" }',
    )  # fmt: skip
    deployments: tuple[settings_contracts.Deployed, ...] = value(
        (), settings_contracts.deployments, unit="tables in the file",
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
    api_host: str = value(
        "127.0.0.1", parse.text, unit="address", meaning="where the API listens", example="10.0.0.5"
    )
    api_port: int = value(8000, parse.port, unit="TCP port", meaning="where the API listens", example="8000")
    public_url: str = value(
        "http://127.0.0.1:8000", parse.http_url, unit="URL",
        meaning="how customers reach the API, for checkout links", example="https://pay.example",
    )  # fmt: skip
    api_pepper: str | None = value(
        None, parse.long_secret, unit="text, 32 characters or more", secret=True,
        meaning="key of the HMAC under which API keys are stored", example="openssl rand -hex 32",
    )  # fmt: skip
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
    signer_socket: Path | None = value(
        None, parse.path, unit="path, at most 100 bytes",
        meaning="Unix socket between submitter and signer", example="/run/bascule/signer.sock",
    )  # fmt: skip
    signer_uids: tuple[int, ...] = value(
        (), settings_signer.uids, unit="user numbers, several separated by blanks",
        meaning="users that may ask at the signer's socket; none is the signer's own user alone."
        " With others the socket's file is open to its group too",
        example="1001",
    )  # fmt: skip
    signer_listen: settings_signer.PlaceSettings | None = value(
        None, settings_signer.place, unit="HOST:PORT",
        meaning="where the signer listens over TLS 1.3, beside its socket or instead of it",
        example="10.0.0.7:9443",
    )  # fmt: skip
    signer_address: settings_signer.PlaceSettings | None = value(
        None, settings_signer.place, unit="HOST:PORT",
        meaning="where a submitter asks a signer over TLS 1.3, instead of a socket;"
        " the signer's certificate has this host's name",
        example="signer.internal:9443",
    )  # fmt: skip
    signer_clients: tuple[settings_signer.ClientSettings, ...] = value(
        (), settings_signer.clients, unit="NAME=WALLET,WALLET, several separated by blanks",
        meaning="for which lanes' wallets a client may ask over TLS, by the one DNS name in its certificate;"
        " NAME=* is every wallet",
        example="submitter-1=0x5Be2e3B9C4e30b7e2b4dd1c1d0a5d43e0a6d2F10",
    )  # fmt: skip
    signer_tls_certificate: Path | None = value(
        None, parse.path, unit="path of a PEM file",
        meaning="this process's own certificate between submitter and signer, with those that vouch for it",
        example="/etc/bascule/tls/certificate.pem",
    )  # fmt: skip
    signer_tls_key: Path | None = value(
        None, parse.path, unit="path of a PEM file", meaning="the private key of that certificate",
        example="/etc/bascule/tls/key.pem",
    )  # fmt: skip
    signer_tls_ca: Path | None = value(
        None, parse.path, unit="path of a PEM file",
        meaning="the authority that signed the certificate of the other side, of nobody else",
        example="/etc/bascule/tls/ca.pem",
    )  # fmt: skip
    signer_keystore: Path | None = value(
        None, parse.path, unit="path", example="/etc/bascule/lane.json",
        meaning="file with the encrypted key of the lane wallet, or a folder of them, one *.json a lane",
    )  # fmt: skip
    signer_keystore_password: str | None = value(
        None, parse.text, unit="text", secret=True,
        meaning="opens the keystore", example="the content of a mounted secret",
    )  # fmt: skip
    signer_kms_key_id: str | None = value(
        None, parse.text, unit="key id, ARN or alias",
        meaning="the lane wallet's key in AWS KMS, instead of a keystore",
        example="alias/bascule-lane",
    )  # fmt: skip
    sweeper_keystore: Path | None = value(
        None, parse.path, unit="path",
        meaning="file with the encrypted key of the sweeper, where the signer runs; none: nothing is flushed",
        example="/etc/bascule/sweeper.json",
    )  # fmt: skip
    sweeper_keystore_password: str | None = value(
        None, parse.text, unit="text", secret=True,
        meaning="opens the sweeper's keystore", example="the content of a mounted secret",
    )  # fmt: skip
    sweeper_kms_key_id: str | None = value(
        None, parse.text, unit="key id, ARN or alias",
        meaning="the sweeper's key in AWS KMS, instead of a keystore", example="alias/bascule-sweeper",
    )  # fmt: skip
    canceller_keystore: Path | None = value(
        None, parse.path, unit="path",
        meaning="file with the encrypted key of the vault's canceller; none: payouts in transit stay so",
        example="/etc/bascule/canceller.json",
    )  # fmt: skip
    canceller_keystore_password: str | None = value(
        None, parse.text, unit="text", secret=True,
        meaning="opens the canceller's keystore", example="the content of a mounted secret",
    )  # fmt: skip
    canceller_kms_key_id: str | None = value(
        None, parse.text, unit="key id, ARN or alias",
        meaning="the canceller's key in AWS KMS, instead of a keystore", example="alias/bascule-canceller",
    )  # fmt: skip
    webhook_allow_local: bool = value(
        False, parse.boolean, unit="true or false",
        meaning="webhooks may go to loopback and plain http; refused beside a live key", example="false",
    )  # fmt: skip
    sandbox: bool = value(
        False, parse.boolean, unit="true or false",
        meaning="/v1/test_helpers may pay and misbehave on development chains; refused beside anything live",
        example="false",
    )  # fmt: skip
    webhook_timeout_s: float = value(
        10.0, parse.seconds, unit="seconds", meaning="how long a webhook receiver may take", example="10"
    )
    metrics_host: str = value(
        "127.0.0.1", parse.text, unit="address", meaning="where a process serves /metrics", example="10.0.0.5"
    )
    metrics_port: int | None = value(
        None, parse.between(0, 65_535), unit="TCP port",
        meaning="where a process serves /metrics, /healthz and /readyz; 0 takes a free one, none is none",
        example="9464",
    )  # fmt: skip
    ready_lag_s: float = value(
        60.0, parse.seconds, unit="seconds",
        meaning="how far behind its chain a network may be before /readyz says so", example="60",
    )  # fmt: skip
    poll_interval_ms: int = value(
        500, parse.between(10, 600_000), unit="milliseconds",
        meaning="how long a worker with nothing to do waits when no notification wakes it", example="500",
    )  # fmt: skip
    lease_s: float = value(
        15.0, parse.seconds, unit="seconds",
        meaning="how long a silent watcher or submitter keeps its successor waiting", example="15",
    )  # fmt: skip
    expire_interval_s: int = value(
        1, parse.between(1, 3600), unit="seconds", meaning="how often deadlines are looked at", example="1"
    )
    reconcile_interval_s: int = value(
        60, parse.between(1, 86_400), unit="seconds", meaning="how often books meet the chain", example="60"
    )
    refund_cool_off_s: int = value(
        86_400, parse.between(0, 30 * 86_400), unit="seconds",
        meaning="how long a claimed refund can be stopped before it is paid", example="86400",
    )  # fmt: skip
    seal_interval_s: int = value(
        60, parse.between(1, 86_400), unit="seconds", meaning="how often history is sealed", example="60"
    )
    flush_interval_s: int = value(
        60, parse.between(1, 86_400), unit="seconds",
        meaning="how often a worker looks for deposit addresses to flush to the collector", example="60",
    )  # fmt: skip
    flush_min_amount: Decimal = value(
        Decimal(10), parse.amount, unit="currency of the token",
        meaning="an address that holds less waits for more, or for its age", example="10",
    )  # fmt: skip
    flush_min_total: Decimal = value(
        Decimal(500), parse.amount, unit="currency of the token",
        meaning="a flush of less waits, unless an address in it is old", example="500",
    )  # fmt: skip
    flush_max_age_s: int = value(
        86_400, parse.between(0, 10**8), unit="seconds",
        meaning="money that has lain at an address for longer is flushed whatever its amount",
        example="86400",
    )  # fmt: skip
    flush_max_base_fee_gwei: Decimal = value(
        Decimal(50), parse.amount, unit="gwei per gas",
        meaning="while a block takes more, no flush is planned or sent", example="0.5",
    )  # fmt: skip
    flush_max_cost_bps: int = value(
        100, parse.between(1, 10_000), unit="hundredths of a per cent",
        meaning="an address waits while its gas would cost more of what it holds", example="100",
    )  # fmt: skip
    flush_coin_prices: tuple[tuple[int, Decimal], ...] = value(
        (), parse.prices, unit="CHAIN_ID=PRICE, several separated by blanks",
        meaning="what a chain's native coin is worth, in tokens' currency; without it no cost is judged",
        example="8453=4000 137=0.5",
    )  # fmt: skip
    flush_max_addresses: int = value(
        100, parse.between(1, 100), unit="addresses",
        meaning="most addresses one flush empties", example="100",
    )  # fmt: skip
    rates: settings_rates.RatesSettings | None = value(
        None, settings_rates.rates, unit="table in the file, or PAIR=PRICE words",
        meaning="what tokens cost in fiat and who says so, for quotes; none: nothing is quoted",
        example="usdc/usd=1.00 usdc/eur=0.92",
    )  # fmt: skip
    flush_retry_s: int = value(
        86_400, parse.between(0, 10**8), unit="seconds",
        meaning="how long an address waits after its token refused it, or its flush reverted",
        example="86400",
    )  # fmt: skip
    log_level: str = value(
        "info", parse.one_of("debug", "info", "warning", "error"), unit="level",
        meaning="the least important line that is still written", example="info",
    )  # fmt: skip
    failpoints: tuple[tuple[str, int], ...] = value(
        (), parse.failpoints, unit="NAME=HIT, separated by commas",
        meaning="where a process of a test installation kills itself", example="watcher.after_commit=1",
    )  # fmt: skip

    def database_of(self, role: str) -> str:
        """The URL of a role: its own, else the general one. Raises: BadConfiguration when neither is set."""
        url = getattr(self, f"database_url_{role}") or self.database_url
        return str(url) if url else self.need(f"database_url_{role}")

    def need(self, name: str) -> Any:
        """A value this process cannot do without. Raises: BadConfiguration naming it, with an example."""
        if (found := getattr(self, name)) in (None, ()):
            about = _about(name)
            raise BadConfiguration(
                PREFIX + name.upper(), f"is not set ({about['meaning']})", about["example"]
            )
        return found

    def keeping(self, *secrets: str) -> Settings:
        """The same settings without any secret but these, for a process that must not know the others'."""
        others = [f for f in dataclasses.fields(self) if f.metadata["secret"] and f.name not in secrets]
        defaults: dict[str, Any] = {field.name: field.default for field in others}
        return dataclasses.replace(self, **defaults)

    def chain(self, chain_id: int) -> ChainSettings:
        """The nodes of one network. Raises: BadConfiguration when none is configured."""
        for chain in self.chains:
            if chain.id == chain_id:
                return chain
        raise BadConfiguration(
            f"{PREFIX}CHAINS", f"names no node of chain {chain_id}", f"{chain_id}=http://127.0.0.1:8545"
        )

    def shown(self) -> list[Shown]:
        """Every value as `bascule doctor` prints it; secrets say only whether they are set."""
        return [_show(field, getattr(self, field.name)) for field in dataclasses.fields(self)]


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting for people."""

    name: str
    value: str
    unit: str
    default: str
    meaning: str


def load(environ: Mapping[str, str]) -> Settings:
    """Settings of an environment over its optional file. Raises: BadConfiguration."""
    known = {field.name: field for field in dataclasses.fields(Settings)}
    raw: dict[str, tuple[str, Any]] = {}
    if path := environ.get(f"{PREFIX}CONFIG"):
        for name, given in _file(Path(path)).items():
            if name not in known:
                raise BadConfiguration(
                    name, f"is not a setting (in {path})", f"one of {', '.join(sorted(known))}"
                )
            raw[name] = (f"{name} in {path}", given)
    for name in known:
        if (given := environ.get(PREFIX + name.upper())) is not None:
            raw[name] = (PREFIX + name.upper(), given)
    found = {}
    for name, (where, given) in raw.items():
        about = known[name].metadata
        try:
            found[name] = about["read"](parse.resolved(given, environ))
        except ValueError as error:
            raise BadConfiguration(where, str(error), about["example"]) from None
    return Settings(**found)


def _file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfiguration(
            f"{PREFIX}CONFIG", f"cannot be read: {error.strerror}", "/etc/bascule.toml"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{PREFIX}CONFIG", f"is not TOML: {error}", "api_port = 8000") from None


def _about(name: str) -> Mapping[str, Any]:
    return next(field.metadata for field in dataclasses.fields(Settings) if field.name == name)


def _show(field: dataclasses.Field[Any], given: Any) -> Shown:
    about = field.metadata
    if about["secret"]:
        text = "set" if given else "not set"
        if field.name == "chains" and given:
            text = ", ".join(f"{chain.id} ({len(chain.rpc)} nodes)" for chain in given)
    else:
        many = isinstance(given, tuple)
        text = "not set" if given in (None, ()) else ", ".join(map(str, given)) if many else str(given)
    default = "none" if field.default in (None, ()) else str(field.default)
    return Shown(PREFIX + field.name.upper(), text, about["unit"], default, about["meaning"])
