"""`bascule chains publish`: configuration becomes what is served, once the chain agrees with it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from bascule.chain.abi import artifact
from bascule.chain.deployment import PROXY, Deployment, deployment, plan_token
from bascule.domain.chain import ZERO_ADDRESS, checksum, parse_address
from bascule.entrypoints.cli.app import run
from bascule.storage import addresses, audit, networks
from bascule.storage.database import Database
from bascule.storage.networks import Network
from tests.support.site import COLLECTOR, DEPLOYER, Nodes, Site

Url = Callable[..., str]
CHAIN = 31_337
DOLLAR = plan_token("USD Coin", "USDC", parse_address(DEPLOYER.address))
EIGHTEEN = deployment("quirks/EighteenDecimals")


class Desk:
    """A site whose contracts stand, and its command line for chains and tokens."""

    def __init__(self, site: Site, running: Nodes, capsys: pytest.CaptureFixture[str], url: str) -> None:
        self.site, self._capsys, self._database = site, capsys, url
        self.node = running.chain(CHAIN)
        site.configure({CHAIN: self.node}, owner=None, test_dollars=[{"name": "USD Coin", "symbol": "USDC"}])
        site.lines("deploy", "--chain", str(CHAIN), "--yes")
        running.send(self.node, CHAIN, DEPLOYER, PROXY, EIGHTEEN.calldata)
        self._written = site.file.read_text()

    def say(self, *tokens: str, chain_id: int = CHAIN, more: str = "") -> None:
        """Writes the tokens, in TOML, into the configuration."""
        listed = f"{more}tokens = [{', '.join(tokens)}]\n[chains.contracts]"
        text = self._written.replace("[chains.contracts]", listed)
        self.site.file.write_text(text.replace(f"id = {CHAIN}", f"id = {chain_id}"))

    def publish(self, chain: str = str(CHAIN)) -> dict[str, Any]:
        assert run(["chains", "publish", chain, "--json"]) == 0, self._capsys.readouterr().err
        return dict(json.loads(self._capsys.readouterr().out))

    def refused(self, *words: str, code: int = 1) -> str:
        """What a command says that must fail, and that nothing is served because of it."""
        before = self.state()
        assert run(list(words or ("chains", "publish", str(CHAIN)))) == code
        said = [line for line in self._capsys.readouterr().err.splitlines() if not line.startswith("{")]
        assert self.state() == before
        return "\n".join(said)

    def tokens(self) -> dict[str, dict[str, Any]]:
        assert run(["tokens", "list", "--json"]) == 0
        listed = [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]
        return {token["contract"]: token for token in listed}

    def doctor(self) -> dict[str, dict[str, Any]]:
        run(["doctor", "--json"])
        said = [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]
        return {line["check"]: line for line in said if "check" in line}

    def state(self) -> Any:
        async def work() -> Any:
            async with Database(self._database) as db, db.read() as conn:
                own = await addresses.own(conn, CHAIN)
                return await networks.every(conn), own, await audit.of_object(conn, str(CHAIN))

        return asyncio.run(work()), self.tokens()

    @property
    def network(self) -> Network:
        [[network], _, _], _ = self.state()
        return network  # type: ignore[no-any-return]


@pytest.fixture
def desk(
    site: Site,
    running: Nodes,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    database_url: Url,
) -> Desk:
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url())
    monkeypatch.setenv("BASCULE_DATABASE_URL_WATCHER", database_url("watcher"))
    return Desk(site, running, capsys, database_url())


def token(planned: Deployment, currency: str = "usdc", decimals: int = 6, **more: Any) -> str:
    parts = [
        f'currency = "{currency}"', f'contract = "{checksum(planned.address)}"', f"decimals = {decimals}",
        *(f"{name} = {value}" for name, value in more.items()),
    ]  # fmt: skip
    return "{ " + ", ".join(parts) + " }"


def test_published_chain_serves_its_contracts_and_tokens_and_again_changes_nothing(desk: Desk) -> None:
    signing = '{ name = "USD Coin", version = "1" }'
    desk.say(token(DOLLAR, symbol='"USDC"', eip3009=signing), token(EIGHTEEN, "wide", 18))

    [first, second] = [desk.publish(), desk.publish()]

    assert first == second
    assert [each["currency"] for each in first["offered"]] == ["usdc", "wide"]
    network = desk.network
    assert (network.name, network.livemode) == (f"chain{CHAIN}", False)
    assert None not in (network.vault, network.deposit_factory, network.forwarder)
    [_, own, written], listed = desk.state()
    assert own == {network.vault: "vault", parse_address(COLLECTOR.address): "collector"}
    assert [line["action"] for line in written] == ["chain.publish"] * 2
    assert {c: (t["currency"], t["decimals"], t["accepted"], t["offered"]) for c, t in listed.items()} == {
        checksum(ZERO_ADDRESS): ("eth", 18, False, True),
        checksum(DOLLAR.address): ("usdc", 6, True, True),
        checksum(EIGHTEEN.address): ("wide", 18, True, True),
    }


def test_token_taken_out_of_the_configuration_is_offered_no_more_and_still_counts(desk: Desk) -> None:
    desk.say(token(DOLLAR), token(EIGHTEEN, "wide", 18))
    desk.publish()
    desk.say(token(DOLLAR))

    done = desk.publish()

    assert [each["currency"] for each in done["withdrawn"]] == ["wide"]
    gone = desk.tokens()[checksum(EIGHTEEN.address)]
    assert (gone["accepted"], gone["offered"]) == (True, False)
    desk.say(token(DOLLAR), token(EIGHTEEN, "wide", 18))
    assert desk.publish()["withdrawn"] == []
    assert desk.tokens()[checksum(EIGHTEEN.address)] == {**gone, "offered": True}


def test_what_the_chain_contradicts_is_refused_in_its_words_and_changes_nothing(desk: Desk) -> None:
    """And `bascule doctor` says the same of each token."""
    nowhere = '{ currency = "none", contract = "0x' + "77" * 20 + '", decimals = 6 }'
    vault = f'{{ currency = "none", contract = "{vault_of(desk)}", decimals = 6 }}'
    for written, says in (
        (nowhere, "has no code"),
        (vault, "does not say its decimals, the configuration says 6"),
        (
            token(DOLLAR, decimals=18),
            f"on chain {CHAIN} has 6 decimals, the configuration says 18",
        ),
        (token(EIGHTEEN), "has 18 decimals, the configuration says 6"),
        (token(DOLLAR, symbol='"USDT"'), "has the symbol 'USDC', the configuration says 'USDT'"),
        (
            token(DOLLAR, eip3009='{ name = "USD Coin", version = "2" }'),
            "signs under another domain than eip3009 'USD Coin', version '2'",
        ),
        (
            token(EIGHTEEN, "wide", 18, eip3009='{ name = "USD Coin", version = "2" }'),
            "signs under another domain than eip3009",
        ),
    ):
        desk.say(written)
        assert says in desk.refused()
    assert desk.tokens() == {}
    desk.say(token(DOLLAR), token(EIGHTEEN, "wide", 6))
    found = desk.doctor()
    assert found[f"usdc on chain{CHAIN}"]["state"] == "ok"
    wide = found[f"wide on chain{CHAIN}"]
    assert (wide["state"], "has 18 decimals, the configuration says 6" in wide["says"]) == ("failed", True)


def test_chain_currency_mode_or_contracts_that_differ_are_refused_and_change_nothing(desk: Desk) -> None:
    desk.say(token(DOLLAR))
    desk.publish()

    desk.say(token(DOLLAR, "usdt"))
    assert "known with another currency or other decimals; those never change" in desk.refused()
    desk.say(token(DOLLAR), more="livemode = true\n")
    assert f"Chain {CHAIN} is served with livemode False" in desk.refused()
    desk.say(token(DOLLAR), chain_id=8453)
    assert "the node serves chain 31337, not 8453" in desk.refused("chains", "publish", "8453")
    assert "there is no chain 5 in the configuration" in desk.refused("chains", "publish", "5")
    desk.say(token(DOLLAR))
    text = desk.site.file.read_text()
    desk.site.file.write_text(text.replace('contract = "DepositForwarder"', 'contract = "TestDollar"'))
    assert f"deployments name no DepositForwarder on chain {CHAIN}" in desk.refused()


def test_watcher_does_not_start_on_a_token_that_is_not_as_published(desk: Desk) -> None:
    desk.say(token(DOLLAR))
    desk.publish()
    watch = ("watcher", "--chain", str(CHAIN))
    desk.say(token(DOLLAR), token(EIGHTEEN, "wide", 18))
    assert "is configured, but not published" in desk.refused(*watch)
    desk.say(token(DOLLAR, "usdt"))
    assert "published as usdc with 6; those never change" in desk.refused(*watch)
    desk.say(token(DOLLAR, symbol='"USDT"'))
    assert "has the symbol 'USDC', the configuration says 'USDT'" in desk.refused(*watch)


def test_collector_is_confirmed_only_as_the_factory_names_it_and_with_a_reason(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.say(token(DOLLAR))
    desk.publish()
    words = ("sweeper", "confirm-collector", "--chain", str(CHAIN), "--collector")

    said = desk.refused(*words, DEPLOYER.address, "--reason", "ours")
    assert f"does not name {DEPLOYER.address}: in place is {COLLECTOR.address}, scheduled is none" in said
    assert "say why" in desk.refused(*words, COLLECTOR.address, "--reason", " ", code=2)

    assert run([*words, COLLECTOR.address, "--reason", "looked at it", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["collector"], told["state"]) == (COLLECTOR.address, "in place")
    _, _, lines = desk.state()[0]
    assert lines[-1]["action"] == "collector.confirm"


def vault_of(desk: Desk) -> str:
    """A contract of ours that is no token."""
    written = desk.site.file.read_text()
    block = written[written.index(f'contract = "{artifact("PayoutVault").name}"') :]
    return block.split('address = "')[1].split('"')[0]
