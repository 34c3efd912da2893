"""`bascule sweeper register`: a chain gets its sweeper, in the bridge's rows and in the signer's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bascule.domain.chain import Address, checksum, parse_address
from bascule.domain.finality import FinalityPolicy
from bascule.entrypoints import wallet_keys
from bascule.entrypoints.cli.app import run
from bascule.entrypoints.devchain.accounts import dev_accounts
from bascule.storage import addresses, audit, lanes, networks, signer_flush_limits, signer_wallets, tokens
from bascule.storage.database import Connection, Database
from bascule.storage.networks import Network
from bascule.storage.signer_flush_limits import FlushLimits
from bascule.storage.tokens import Token
from tests.support.site import Nodes, nodes

Url = Callable[..., str]
CHAIN = 31_337
FACTORY, DOLLAR, EURO, VAULT = (Address(bytes([n]) * 20) for n in (1, 2, 3, 4))
SWEEPER, LANE, OTHER = dev_accounts()[5:8]
GWEI = 10**9


class Desk:
    """The command line of an owner whose chain is published."""

    def __init__(self, running: Nodes, capsys: pytest.CaptureFixture[str], url: str) -> None:
        self.running, self._capsys, self._url = running, capsys, url
        self.node = running.chain(CHAIN)
        self.sql(self._publish)

    @staticmethod
    async def _publish(conn: Connection) -> None:
        await networks.publish(
            conn,
            Network(CHAIN, "local", False, FinalityPolicy("finalized"), VAULT, FACTORY, None, None),
        )
        for number, contract in enumerate((DOLLAR, EURO)):
            await tokens.publish(conn, Token(f"tok_{number}", CHAIN, contract, "usdc", "USD", 6, True))
        await addresses.add_own(conn, CHAIN, VAULT, "vault")
        lane = parse_address(LANE.address)
        await addresses.add_own(conn, CHAIN, lane, "wallet")
        await lanes.add_wallet(conn, CHAIN, lane, name="vault-0")
        await signer_wallets.add(conn, CHAIN, lane)

    def sql(self, work: Callable[[Connection], Any]) -> Any:
        async def do() -> Any:
            async with Database(self._url) as db, db.transaction() as conn:
                return await work(conn)

        return asyncio.run(do())

    def register(self, *words: str, wallet: str | None = SWEEPER.address) -> list[dict[str, Any]]:
        named = () if wallet is None else ("--wallet", wallet)
        line = ["sweeper", "register", "--chain", "local", "--max-fee-gwei", "20", *named, *words, "--json"]
        assert run(line) == 0, self._capsys.readouterr().err
        return [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]

    def refused(self, *words: str, code: int = 1) -> str:
        """What is said; nothing is written."""
        before = self.sql(_rows)
        assert run(["sweeper", "register", "--chain", "local", "--max-fee-gwei", "20", *words]) == code
        assert self.sql(_rows) == before
        return self._capsys.readouterr().err


async def _rows(conn: Connection) -> Any:
    wallet = await lanes.service_wallet(conn, CHAIN, "sweeper")
    limits = [await signer_flush_limits.current(conn, CHAIN, FACTORY, each) for each in (DOLLAR, EURO)]
    own = await addresses.own(conn, CHAIN)
    lines = [line for line in await audit.of_object(conn, str(CHAIN)) if line["action"] == "sweeper.register"]
    return wallet, limits, own, len(lines)


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: Url
) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BASCULE_CONFIG", raising=False)
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url())
    monkeypatch.setenv("BASCULE_DATABASE_URL_SIGNER", database_url("signer"))
    with nodes() as running:
        made = Desk(running, capsys, database_url())
        monkeypatch.setenv("BASCULE_CHAINS", f"{CHAIN}={made.node}")
        yield made


def test_wallet_becomes_the_sweeper_for_every_accepted_token_and_again_changes_nothing(desk: Desk) -> None:
    [dollar, euro] = desk.register()
    wallet, limits, own, lines = desk.sql(_rows)

    assert (dollar["lane"], dollar["wallet"]) == (f"{CHAIN}/sweeper", SWEEPER.address)
    assert {dollar["contract"], euro["contract"]} == {checksum(DOLLAR), checksum(EURO)}
    assert limits == [FlushLimits(20 * GWEI, 17_100_000, 100)] * 2
    assert (wallet.address, wallet.next_nonce) == (parse_address(SWEEPER.address), 0)
    assert own[wallet.address] == "wallet"
    assert [each["limits"] for each in desk.register()] == ["as before"] * 2
    assert desk.sql(_rows)[3] == lines == 1

    desk.register("--max-addresses", "7")

    assert desk.sql(_rows)[1] == [FlushLimits(20 * GWEI, 3_150_000, 7)] * 2


def test_wallet_that_sent_before_goes_on_from_its_nonce(desk: Desk) -> None:
    desk.running.send(desk.node, CHAIN, SWEEPER, parse_address(OTHER.address), b"")

    desk.register()

    assert desk.sql(_rows)[0].next_nonce == 1


def test_wallets_that_cannot_be_a_sweeper_are_named_and_change_nothing(desk: Desk) -> None:
    for wallet, says in (
        (LANE.address, "the wallet of another lane"),
        (checksum(VAULT), "our vault on chain"),
        (checksum(DOLLAR), "a deposit address or a token"),
        ("0x12", "40 hexadecimal digits"),
    ):
        assert says in desk.refused("--wallet", wallet)
    assert "no sweeper's key here" in desk.refused(code=2)
    assert "Invalid value for '--max-addresses'" in desk.refused("--max-addresses", "101", code=2)
    desk.register()
    assert f"is {SWEEPER.address}, not {OTHER.address}" in desk.refused("--wallet", OTHER.address)


def test_transactions_on_their_way_keep_their_nonces(desk: Desk) -> None:
    liar = desk.running.liar(desk.node)
    liar.twist = lambda method, params, result: (
        "0x2" if method == "eth_getTransactionCount" and params[1] == "pending" else result
    )
    environ = pytest.MonkeyPatch()
    with environ.context() as patched:
        patched.setenv("BASCULE_CHAINS", f"{CHAIN}={liar.url}")
        said = desk.refused("--wallet", SWEEPER.address, code=3)

    assert "2 transactions of" in said


def test_doctor_says_whether_the_signer_knows_the_sweepers_key(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keystore = tmp_path / "sweeper.json"
    wallet_keys.keep_key(keystore, "word", SWEEPER.private_key)
    monkeypatch.setenv("BASCULE_SWEEPER_KEYSTORE", str(keystore))
    monkeypatch.setenv("BASCULE_SWEEPER_KEYSTORE_PASSWORD", "word")

    def found() -> dict[str, Any]:
        run(["doctor", "--json"])
        said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return {line["check"]: line for line in said}[f"sweeper of chain-{CHAIN}"]

    unknown = found()
    assert (unknown["state"], "bascule sweeper register" in unknown["remedy"]) == ("failed", True)
    assert "is not the wallet of the sweeper's key" in desk.refused("--wallet", OTHER.address, code=2)
    desk.register(wallet=None)
    assert found()["state"] == "ok"
