"""First start and every start: schema, logins, contracts, people and keys, each made only when missing.

Interrupted anywhere, the next start completes it. The result is a configuration file with which every process
can also be started by itself, and what the banner shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote as quote_shell
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp
import psycopg

from bascule.chain.errors import NodeUnreachable
from bascule.chain.rpc import Rpc
from bascule.domain import anchor, authorization, gas
from bascule.domain.chain import Address, caip2, checksum
from bascule.domain.errors import NotFound, Retryable
from bascule.domain.ids import Prefix
from bascule.entrypoints import wallet_keys
from bascule.entrypoints.contracts import recording
from bascule.entrypoints.dev import (
    anchoring,
    approving,
    cancelling,
    contracts,
    gassing,
    ground,
    network,
    presenting,
    sweeping,
)
from bascule.entrypoints.dev.installation import FolderRefused, Installation, Secrets, toml
from bascule.services import api_keys
from bascule.services.seams import SystemClock, SystemEntropy, new_id
from bascule.storage import (
    accounts,
    addresses,
    lanes,
    networks,
    signer_limits,
    signer_rosters,
    signer_wallets,
)
from bascule.storage.database import Connection, Database
from bascule.storage.migrate import current, migrate
from bascule.storage.roles import ensure_logins
from bascule.storage.signer_limits import HardLimits
from bascule.storage.signer_rosters import Genesis
from bascule.storage.tokens import Token

LANE_NAME = "vault-0"
MAX_FEE_PER_GAS = 500 * 10**9
MAX_GAS = 15_000_000
NODE_PATIENCE_S = 30.0
clock, entropy = SystemClock(), SystemEntropy()


@dataclass(frozen=True, slots=True)
class Where:
    """What the installation stands on. owner_url: a login that may create roles; rpc_url: the node."""

    owner_url: str
    rpc_url: str
    api_url: str
    api_host: str
    api_port: int


async def bring_up(installation: Installation, where: Where) -> dict[str, Any]:
    """Makes what is missing and returns what the ready line says. Raises: Rejected, Halted, Retryable."""
    secrets = installation.secrets()
    keys_of = (secrets.lane_key, secrets.sweeper_key, secrets.gas_key, secrets.anchor_key, secrets.x402_key)
    lane_wallet, sweeper, gas_wallet, anchors_wallet, facilitator = [
        wallet_keys.wallet_of(key) for key in keys_of
    ]
    for keystore, private_key in (
        (installation.keystores / f"{LANE_NAME}.json", secrets.lane_key),
        (installation.keystores / f"{gas.LANE}.json", secrets.gas_key),
        (installation.keystores / f"{anchor.LANE}.json", secrets.anchor_key),
        (installation.keystores / f"{authorization.LANE}.json", secrets.x402_key),
        (installation.sweeper_keystore, secrets.sweeper_key),
        (installation.canceller_keystore, cancelling.key()),
    ):
        if not keystore.exists():
            installation.failpoints.hit("setup.before_write")
            wallet_keys.keep_key(keystore, secrets.keystore_password, private_key)
            installation.failpoints.hit("setup.after_write")
    await _refuse_other_installation(where.owner_url, lane_wallet, installation)
    async with aiohttp.ClientSession() as session:
        rpc = Rpc(where.rpc_url, session=session, guard=lambda: None)
        chain_id = await _same_chain(rpc, installation)
        laid, _ = await asyncio.gather(
            ground.lay(
                rpc,
                chain_id,
                lane_wallet,
                installation.failpoints,
                spenders=(sweeper, gas_wallet, anchors_wallet, facilitator),
            ),
            migrate(where.owner_url),
            return_exceptions=False,
        )
        installation.remember("landmark", await _landmark(rpc, laid.ready_block))
        cancellers_nonce = await cancelling.next_nonce(rpc)
    people = installation.remember(
        "accounts",
        {"operator": _id(Prefix.ACCOUNT), "merchant": _id(Prefix.ACCOUNT), "token": _id(Prefix.TOKEN)},
    )
    name = urlsplit(where.owner_url).path.lstrip("/")
    async with Database(where.owner_url, name="bascule dev", pool_size=2) as db:
        async with db.read() as conn:
            logins = await ensure_logins(conn, name, secrets.passwords)
        async with db.transaction() as conn:
            people["operator"] = await _people(conn, people)
            token = await network.register(conn, laid, people["token"])
            await _treasury(conn, laid, people["operator"], people["merchant"], token, secrets, lane_wallet)
            await sweeping.register(conn, laid, sweeper, max_fee_per_gas=MAX_FEE_PER_GAS)
            await cancelling.register(conn, chain_id, cancellers_nonce)
            await anchoring.register(conn, chain_id, anchors_wallet, max_fee_per_gas=MAX_FEE_PER_GAS)
            await presenting.register(conn, token, facilitator, max_fee_per_gas=MAX_FEE_PER_GAS)
            await gassing.register(conn, chain_id, gas_wallet, LANE_NAME, max_fee_per_gas=MAX_FEE_PER_GAS)
            installation.failpoints.hit("setup.before_commit")
        installation.failpoints.hit("setup.after_commit")
        keys = await _keys(db, installation, secrets, people)
    urls = {role: as_login(where.owner_url, login, secrets.passwords[role]) for role, login in logins.items()}
    settings = toml(_settings(installation, where, secrets, urls, laid))
    known = recording.entries_of(laid.chain_id, contracts.standing(laid))
    installation.write(installation.config, recording.rewritten(settings, known))
    ready = _ready(where, laid, keys, secrets, token)
    installation.write(installation.folder / "ready.json", json.dumps(ready))
    installation.write(installation.folder / "dev.env", shell(ready, installation.folder))
    return ready


def as_login(url: str, user: str, password: str) -> str:
    """The same database under another login."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{place}"))


def _id(prefix: str) -> str:
    return new_id(prefix, clock, entropy)


async def _refuse_other_installation(
    owner_url: str, lane_wallet: Address, installation: Installation
) -> None:
    """Asked before anything is touched: a database is one folder's for ever."""
    async with Database(owner_url, name="bascule dev", pool_size=1) as db, db.read() as conn:
        if await current(conn, "bridge") is None:
            return
        for network in await networks.every(conn):
            with contextlib.suppress(NotFound):
                if (await lanes.get(conn, network.chain_id, LANE_NAME)).wallet == lane_wallet:
                    continue
                raise FolderRefused(
                    f"the database belongs to another installation than {installation.folder}",
                    "name that installation's folder by --data-dir, or another database",
                )


async def _same_chain(rpc: Rpc, installation: Installation) -> int:
    """The node's chain id; a folder that knows another chain is not used with this one."""
    deadline = asyncio.get_running_loop().time() + NODE_PATIENCE_S
    while True:
        try:
            chain_id = int(await rpc.call("eth_chainId"), 16)
            genesis = (await rpc.call("eth_getBlockByNumber", "0x0", False))["hash"]
            break
        except NodeUnreachable as error:
            if asyncio.get_running_loop().time() > deadline:
                raise Retryable(f"the node does not answer: {error}") from None
            await asyncio.sleep(0.05)
    known = installation.remember("network", {"chain_id": chain_id, "genesis": genesis})
    same = known == {"chain_id": chain_id, "genesis": genesis}
    if same and (landmark := installation.recall("landmark")) is not None:
        same = await _landmark(rpc, landmark["number"]) == landmark
    if not same:
        raise FolderRefused(
            f"the node has another chain {chain_id} than the one {installation.folder} was made on",
            "start the node with its old state, or begin anew by --fresh",
        )
    return chain_id


async def _landmark(rpc: Rpc, number: int) -> dict[str, Any]:
    """A block by which a chain is known again: a local chain that began anew has the same genesis."""
    block = await rpc.call("eth_getBlockByNumber", hex(number), False)
    return {"number": number, "hash": None if block is None else block["hash"]}


async def _people(conn: Connection, people: Mapping[str, str]) -> str:
    """The operator and one merchant; the operator that is already there stays the operator."""
    operator = await accounts.operator(conn)
    if operator is None:
        operator = await accounts.create(
            conn, id=people["operator"], kind="operator", name="Operator", created_at=clock.now()
        )
    if await accounts.get(conn, people["merchant"]) is None:
        await accounts.create(
            conn, id=people["merchant"], kind="merchant", name="Demo shop", created_at=clock.now()
        )
    return operator.id


async def _treasury(
    conn: Connection,
    laid: ground.Ground,
    operator: str,
    merchant: str,
    token: Token,
    secrets: Secrets,
    lane_wallet: Address,
) -> None:
    """Addresses, lane, approvers, limits: ours to hold and to sign for."""
    for address, kind in ((laid.vault, "vault"), (laid.collector, "collector"), (lane_wallet, "wallet")):
        await addresses.add_own(conn, laid.chain_id, address, kind)  # type: ignore[arg-type]
    await lanes.add_wallet(conn, laid.chain_id, lane_wallet, name=LANE_NAME)
    await lanes.open(
        conn, laid.chain_id, lane=ground.LANE, name=LANE_NAME, vault=laid.vault, wallet=lane_wallet
    )
    await signer_rosters.begin(conn, Genesis(operator, laid.chain_id, laid.vault))
    if await signer_limits.current(conn, laid.chain_id, laid.vault, laid.token) is None:
        hard = HardLimits(approving.MAX_PER_PAYOUT, approving.MAX_PER_DAY, MAX_FEE_PER_GAS, MAX_GAS)
        await signer_limits.set(conn, laid.chain_id, vault=laid.vault, token=laid.token, limits=hard)
    await signer_wallets.add(conn, laid.chain_id, lane_wallet)
    approvers = [wallet_keys.wallet_of(key) for key in secrets.approver_keys]
    for account in (operator, merchant):
        policy_id = new_id(Prefix.POLICY, clock, entropy)
        await approving.register(conn, account, approvers, token, policy_id=policy_id, now=clock.now())


async def _keys(
    db: Database, installation: Installation, secrets: Secrets, people: Mapping[str, str]
) -> dict[str, str]:
    """Test keys, shown again at every start because they are kept in the data folder."""
    if (known := installation.recall("keys")) is not None:
        return dict(known)
    made = {}
    async with db.transaction() as conn:
        for name, account, kind in (
            ("secret_key", people["merchant"], "sk"),
            ("publishable_key", people["merchant"], "pk"),
            ("treasury_key", people["operator"], "sk"),
        ):
            issued = await api_keys.issue(
                conn, account_id=account, livemode=False, kind=kind, pepper=secrets.api_pepper.encode(),  # type: ignore[arg-type]
                clock=clock, entropy=entropy, name="made by bascule dev",
            )  # fmt: skip
            made[name] = issued.secret
        installation.failpoints.hit("setup.before_keys")
    installation.failpoints.hit("setup.after_keys")
    return dict(installation.remember("keys", made))


def _settings(
    installation: Installation,
    where: Where,
    secrets: Secrets,
    urls: Mapping[str, str],
    laid: ground.Ground,
) -> dict[str, Any]:
    return {
        "database_url": where.owner_url,
        **{f"database_url_{role}": url for role, url in urls.items()},
        "api_host": where.api_host,
        "api_port": where.api_port,
        "public_url": where.api_url,
        "api_pepper": secrets.api_pepper,
        "deposit_seed": secrets.deposit_seed,
        "signer_socket": str(installation.socket()),
        "signer_keystore": str(installation.keystores),
        "signer_keystore_password": secrets.keystore_password,
        "sweeper_keystore": str(installation.sweeper_keystore),
        "sweeper_keystore_password": secrets.keystore_password,
        "canceller_keystore": str(installation.canceller_keystore),
        "canceller_keystore_password": secrets.keystore_password,
        "webhook_allow_local": True,
        "rate_limit_test": 1_000,
        "rate_limit_money_out": 1_000,
        "sandbox": True,
        "poll_interval_ms": 250,
        "lease_s": 4,
        "expire_interval_s": 1,
        "refund_cool_off_s": 2,
        "settlement_cool_off_s": 2,
        "reconcile_interval_s": 10,
        **sweeping.AT_ONCE,
        **anchoring.AT_ONCE,
        "rates": "usdc/usd=1.00 usdc/eur=0.92",
        "contracts": contracts.birth(),
        "chains": [
            {
                "id": laid.chain_id,
                "name": network.NAME,
                "rpc": [{"url": where.rpc_url}],
                "poll_interval_ms": 200,
                "contracts": contracts.roles(laid, wallet_keys.wallet_of(secrets.lane_key)),
            }
        ],
    }


def _ready(
    where: Where,
    laid: ground.Ground,
    keys: Mapping[str, str],
    secrets: Secrets,
    token: Token,
) -> dict[str, Any]:
    """The fields of the ready line, in its order."""
    return {
        "event": "ready",
        "api_url": where.api_url,
        "rpc_url": where.rpc_url,
        "chain_id": laid.chain_id,
        "database_url": where.owner_url,
        "secret_key": keys["secret_key"],
        "publishable_key": keys["publishable_key"],
        "treasury": {
            "secret_key": keys["treasury_key"],
            "approvers": [
                {"address": checksum(wallet_keys.wallet_of(key)), "private_key": key}
                for key in secrets.approver_keys
            ],
        },
        "tokens": [
            {"currency": token.currency, "contract": checksum(laid.token), "decimals": token.decimals}
        ],
        "vault": checksum(laid.vault),
        "deposit_factory": checksum(laid.deposit_factory),
        "funded_accounts": [
            {"address": account.address, "private_key": account.private_key}
            for account in ground.cast().customers
        ],
    }


def shell(ready: Mapping[str, Any], folder: Path) -> str:
    """What a shell takes over with `. .bascule/dev.env`, to follow the README or to try the API.

    Where the installation lies is passed on to commands, so that they find it from any folder.
    """
    values = {
        "API": ready["api_url"],
        "SECRET_KEY": ready["secret_key"],
        "TREASURY_KEY": ready["treasury"]["secret_key"],
        "NETWORK": caip2(ready["chain_id"]),
        "RPC_URL": ready["rpc_url"],
        "CUSTOMER_KEY": ready["funded_accounts"][0]["private_key"],
    }
    lines = [f"{name}={quote_shell(value)}\n" for name, value in values.items()]
    return "".join([*lines, f"export BASCULE_DATA_DIR={quote_shell(str(folder.resolve()))}\n"])


async def ensure_database(server_url: str, name: str) -> None:
    """The database exists on the server (an embedded one, where we are superuser)."""
    async with await psycopg.AsyncConnection.connect(server_url, autocommit=True) as conn:
        with contextlib.suppress(psycopg.errors.DuplicateDatabase):
            await conn.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
