"""Watcher and submitter refuse to start on code that is not in abi/, or not where the configuration says."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bascule.chain.abi import artifact
from bascule.chain.deployment import PROXY, plan_token
from bascule.domain.chain import Address, Hash, parse_address
from bascule.domain.finality import FinalityPolicy
from bascule.entrypoints.cli.app import run
from bascule.entrypoints.contracts import recording
from bascule.settings.contracts import Deployed
from bascule.storage import networks
from bascule.storage.database import Database
from bascule.storage.networks import Network
from tests.support.site import DEPLOYER, Nodes

Url = Callable[..., str]
NOWHERE = Address(b"\x99" * 20)
DOLLAR = plan_token("USD Coin", "USDC", parse_address(DEPLOYER.address))


@pytest.fixture
def refusal(
    running: Nodes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    database_url: Url,
) -> Callable[..., str]:
    """What a process says that must not start, with these addresses served and these deployments known."""
    url = running.chain(31_337)
    running.send(url, 31_337, DEPLOYER, PROXY, DOLLAR.calldata)

    async def serve(vault: Address | None, factory: Address | None, forwarder: Address | None) -> None:
        async with Database(database_url()) as db, db.transaction() as conn:
            finality = FinalityPolicy("finalized")
            await networks.publish(
                conn, Network(31_337, "local", False, finality, vault, factory, forwarder, None)
            )

    def refuse(
        words: tuple[str, ...],
        *deployments: Deployed,
        vault: Address | None = None,
        factory: Address | None = None,
        forwarder: Address | None = None,
    ) -> str:
        asyncio.run(serve(vault, factory, forwarder))
        file = tmp_path / "bascule.toml"
        chains = f'[[chains]]\nid = 31337\nrpc = [{{ url = "{url}" }}]\n'
        file.write_text(recording.rewritten(chains, deployments) if deployments else chains)
        monkeypatch.setenv("BASCULE_CONFIG", str(file))
        monkeypatch.setenv("BASCULE_DATABASE_URL", database_url(words[0]))
        assert run(list(words)) == 1
        what, remedy = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("{")]
        assert "bascule contracts verify" in remedy
        return what

    return refuse


WATCHER = ("watcher", "--chain", "31337")
SUBMITTER = ("submitter", "--lane", "31337/vault-0")


@pytest.mark.parametrize("words", [WATCHER, SUBMITTER])
@pytest.mark.parametrize(
    ("role", "contract"),
    [("vault", "PayoutVault"), ("factory", "DepositFactory"), ("forwarder", "DepositForwarder")],
)
def test_process_does_not_start_where_its_contract_is_missing_or_another(
    refusal: Callable[..., str], words: tuple[str, ...], role: str, contract: str
) -> None:
    assert f"has no code, not {contract}" in refusal(words, **{role: NOWHERE})
    assert f"has other code, not {contract}" in refusal(words, **{role: DOLLAR.address})


def deployed(contract: str, address: Address, code_of: str) -> Deployed:
    return Deployed(31_337, contract, address, Hash(artifact(code_of).code_hash))


def test_process_does_not_start_on_deployments_of_another_version_or_place(
    refusal: Callable[..., str],
) -> None:
    dollar = deployed("TestDollar", DOLLAR.address, "TestDollar")

    other_version = refusal(WATCHER, dollar, deployed("PayoutVault", NOWHERE, "DepositFactory"))
    assert "other code for PayoutVault" in other_version
    elsewhere = refusal(WATCHER, dollar, deployed("TestDollar", NOWHERE, "TestDollar"))
    assert "has no code, not TestDollar" in elsewhere
    another = refusal(WATCHER, deployed("PayoutVault", NOWHERE, "PayoutVault"), vault=DOLLAR.address)
    assert "the database serves another PayoutVault than the configuration" in another
