"""`bascule contracts verify`: what differs from abi/ or the configuration is named, with what to do."""

from collections.abc import Iterator
from typing import Any

import pytest

from bascule.chain.abi import artifact
from bascule.domain.chain import Address, checksum, parse_address
from tests.support.site import COLLECTOR, DEPLOYER, GUARDIAN, OPERATOR, OTHER, TOKEN, Nodes, Site, nodes

LOCAL = 31_337


class Laid:
    """Everything stands on one local chain, owned by the deployer."""

    def __init__(self, site: Site, url: str) -> None:
        self.site, self.nodes, self.url = site, site.nodes, url
        dollars = [{"name": "USD Coin", "symbol": "USDC"}]
        self.changes: dict[str, Any] = {"owner": None, "test_dollars": dollars}
        site.configure({LOCAL: self.url}, **self.changes)
        events = site.lines("deploy", "--chain", str(LOCAL), "--yes")
        self.block = site.file.read_text().partition("# Written by")
        self.places = {
            name: parse_address(place)
            for name, place in next(e["contracts"] for e in events if e["event"] == "plan").items()
        }

    def send(self, account: Any, contract: str, method: str, *arguments: object) -> None:
        data = artifact(contract).calldata(method, *arguments)
        self.nodes.send(self.url, LOCAL, account, self.places[contract], data)

    def configured(self, url: str | None = None, **changes: Any) -> None:
        """Another configuration over the same chain."""
        self.site.configure({LOCAL: url or self.url}, **{**self.changes, **changes})
        self.site.file.write_text(self.site.file.read_text() + "\n" + self.block[1] + self.block[2])

    def differing(self) -> dict[tuple[str, str], dict[str, Any]]:
        return self.site.differing(LOCAL)


@pytest.fixture(scope="module")
def running() -> Iterator[Nodes]:
    with nodes() as made:
        yield made


@pytest.fixture(scope="module")
def url(running: Nodes) -> str:
    return running.chain(LOCAL)


@pytest.fixture
def laid(site: Site, url: str) -> Iterator[Laid]:
    """The first test's deployment is found by the others; what a test changes is taken back."""
    made = Laid(site, url)
    snapshot = site.nodes.rpc(url, "evm_snapshot")
    yield made
    site.nodes.rpc(url, "evm_revert", snapshot)


def raw(text: str) -> Address:
    return parse_address(text)


def test_every_role_that_was_changed_on_the_chain_is_named(laid: Laid) -> None:
    assert laid.site.differing(LOCAL, code=0) == {}
    other = raw(OTHER.address)
    laid.send(DEPLOYER, "PayoutVault", "setLane", 0, other)
    laid.send(DEPLOYER, "PayoutVault", "setGuardian", other)
    laid.send(DEPLOYER, "PayoutVault", "setCanceller", other)
    laid.send(DEPLOYER, "PayoutVault", "setLimit", raw(TOKEN), 7, 80)
    laid.send(DEPLOYER, "DepositFactory", "setCollector", other)
    laid.send(DEPLOYER, "DepositFactory", "transferOwnership", other)
    laid.send(DEPLOYER, "TestDollar", "transferOwnership", other)
    laid.send(OTHER, "TestDollar", "acceptOwnership")

    found = laid.differing()

    assert set(found) == {
        ("PayoutVault", "operator of lane 0"),
        ("PayoutVault", "guardian"),
        ("PayoutVault", "canceller"),
        ("PayoutVault", f"limit of {TOKEN}"),
        ("DepositFactory", "collector"),
        ("DepositFactory", "owner"),
        ("TestDollar", "owner"),
    }
    assert found["PayoutVault", f"limit of {TOKEN}"]["found"] == "7 in 80 s"
    assert found["PayoutVault", "operator of lane 0"]["expected"] == OPERATOR.address
    collector = found["DepositFactory", "collector"]["found"]
    assert collector.startswith(f"{COLLECTOR.address}, from time ")
    assert collector.endswith(OTHER.address)
    assert f"handing over to {OTHER.address}" in found["DepositFactory", "owner"]["found"]
    assert all(each["remedy"] for each in found.values())


def test_what_the_vault_grants_beyond_the_configuration_is_named(laid: Laid) -> None:
    """A rogue operator on a lane nobody configured passes every question about the lanes that are."""
    laid.send(DEPLOYER, "PayoutVault", "setLane", 7, raw(OTHER.address))
    laid.send(DEPLOYER, "PayoutVault", "setLane", 8, raw(OTHER.address))
    laid.send(DEPLOYER, "PayoutVault", "setLimit", raw(OTHER.address), 5, 80)
    laid.send(GUARDIAN, "PayoutVault", "retireLane", 8)

    found = laid.differing()

    assert {subject: each["found"] for (_, subject), each in found.items()} == {
        "operator of lane 7": OTHER.address,
        f"limit of {OTHER.address}": "5 in 80 s",
    }
    code, _, err = laid.site.run("deploy", "--chain", str(LOCAL), "--yes")
    assert (code, "take the operator away" in err) == (1, True)

    laid.send(DEPLOYER, "PayoutVault", "setLane", 7, Address(bytes(20)))
    laid.send(DEPLOYER, "PayoutVault", "setLimit", raw(OTHER.address), 0, 80)
    assert laid.site.differing(LOCAL, code=0) == {}


def test_deploy_puts_roles_back_but_leaves_a_change_of_collector_to_people(laid: Laid) -> None:
    laid.send(DEPLOYER, "PayoutVault", "setLane", 0, raw(OTHER.address))
    laid.send(DEPLOYER, "PayoutVault", "setGuardian", raw(OTHER.address))
    assert laid.site.lines("deploy", "--chain", str(LOCAL), "--yes")[-1]["sent"] == 2
    assert laid.site.differing(LOCAL, code=0) == {}

    laid.send(DEPLOYER, "DepositFactory", "setCollector", raw(OTHER.address))

    code, _, err = laid.site.run("deploy", "--chain", str(LOCAL), "--yes")
    assert code == 1
    assert "unscheduleCollector" in err


def test_current_guardian_may_be_another_than_the_first(laid: Laid) -> None:
    laid.send(DEPLOYER, "PayoutVault", "setGuardian", raw(OTHER.address))
    laid.site.configure({LOCAL: laid.url}, **laid.changes)
    text = laid.site.file.read_text() + f'guardian = "{OTHER.address}"\n\n'
    laid.site.file.write_text(text + laid.block[1] + laid.block[2])

    assert laid.site.differing(LOCAL, code=0) == {}
    assert GUARDIAN.address in text


def test_retired_lane_cannot_be_mended(laid: Laid) -> None:
    laid.send(GUARDIAN, "PayoutVault", "retireLane", 0)

    found = laid.differing()["PayoutVault", "operator of lane 0"]
    assert (found["found"], found["remedy"]) == ("retired", "a retired lane stays so: configure another")


def test_vault_owned_by_somebody_else_stops_everything(laid: Laid) -> None:
    laid.send(DEPLOYER, "PayoutVault", "transferOwnership", raw(OTHER.address))
    laid.send(OTHER, "PayoutVault", "acceptOwnership")

    assert "somebody else owns it" in laid.differing()["PayoutVault", "owner"]["remedy"]
    code, _, err = laid.site.run("deploy", "--chain", str(LOCAL), "--yes")
    assert code == 1
    assert "somebody else owns it" in err


@pytest.mark.parametrize("contract", ["PayoutVault", "DepositFactory", "DepositForwarder", "TestDollar"])
def test_code_that_is_not_in_abi_is_noticed_whichever_contract_it_is(laid: Laid, contract: str) -> None:
    liar = laid.nodes.liar(laid.url)
    where = "0x" + laid.places[contract].hex()

    def other_code(method: str, params: list[Any], result: Any) -> Any:
        return result[:-2] + "fe" if method == "eth_getCode" and params[0] == where else result

    liar.twist = other_code
    laid.configured(liar.url)

    assert laid.differing()[contract, "code"]["found"] == "other code"
    code, _, err = laid.site.run("deploy", "--chain", str(LOCAL), "--yes")
    assert (code, "other code" in err) == (1, True)


@pytest.mark.parametrize(
    ("selector", "contract", "subject"),
    [
        ("61d027b3", "PayoutVault", "treasury"),
        ("6a42b8f8", "DepositFactory", "delay"),
        ("5c60da1b", "DepositFactory", "implementation"),
        ("c45a0155", "DepositForwarder", "factory"),
        ("3644e515", "TestDollar", "domain"),
    ],
)
def test_other_immutables_are_noticed(laid: Laid, selector: str, contract: str, subject: str) -> None:
    """Masked in the code, so they are asked for; here the node lies about one."""
    liar = laid.nodes.liar(laid.url)

    def other_value(method: str, params: list[Any], result: Any) -> Any:
        lie = method == "eth_call" and params[0]["data"] == "0x" + selector
        return "0x" + "00" * 31 + "05" if lie else result

    liar.twist = other_value
    laid.configured(liar.url)

    assert set(laid.differing()) == {(contract, subject)}


def test_deployments_that_are_missing_or_too_many_are_named(laid: Laid) -> None:
    text = laid.site.file.read_text()
    laid.site.file.write_text(text.replace(checksum(laid.places["PayoutVault"]), TOKEN))

    found = laid.differing()

    assert set(found) == {("PayoutVault", "in deployments")}
    assert {each["remedy"] for each in found.values()} == {
        "run `bascule contracts deploy`: it writes them anew and sends nothing that stands already"
    }
    assert laid.site.lines("deploy", "--chain", str(LOCAL))[-1]["sent"] == 0
    assert laid.site.file.read_text() == text


def test_table_says_what_to_do_below_what_differs(laid: Laid) -> None:
    laid.send(DEPLOYER, "PayoutVault", "setGuardian", raw(OTHER.address))

    code, out, err = laid.site.run("verify", "--chain", str(LOCAL))

    assert (code, err) == (1, "")
    assert "differs  PayoutVault       guardian" in out
    assert f"\nPayoutVault, guardian: expected {GUARDIAN.address}\n  run `bascule contracts deploy`" in out


def test_nothing_stands_before_anything_was_deployed(site: Site, running: Nodes) -> None:
    site.configure({LOCAL: running.chain(LOCAL)}, owner=None)

    found = site.differing(LOCAL)

    assert found["PayoutVault", "code"]["found"] == "missing"
    assert found["DepositFactory", "collector"]["remedy"] == "run `bascule contracts deploy`"
