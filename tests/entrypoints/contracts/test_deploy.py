"""`bascule contracts deploy`: equal addresses on each chain, nothing sent twice, nothing given away."""

import json
import tomllib
from typing import Any

import pytest

from bascule.chain.deployment import PROXY
from bascule.domain.chain import checksum
from tests.support.nodes import Refuse
from tests.support.site import DEPLOYER, OTHER, OWNER_1, OWNER_2, WALLET, Nodes, Site, shared_wallet

LOCAL, BASE = 31_337, 8_453
SENT = 7  # factory, vault, collector, operator, limit, two hand-overs


def count(nodes: Nodes, url: str) -> int:
    return int(nodes.rpc(url, "eth_getTransactionCount", DEPLOYER.address, "pending"), 16)


def test_two_chains_get_the_same_addresses_and_a_second_run_sends_nothing(site: Site, running: Nodes) -> None:
    urls = {LOCAL: running.chain(LOCAL), BASE: running.chain(BASE)}
    site.configure(urls)
    for chain_id, url in urls.items():
        site.make_wallet(url, chain_id)
        events = site.lines("deploy", "--chain", str(chain_id), "--yes")
        assert [e["event"] for e in events].count("mined") == SENT == count(running, url)

    recorded = tomllib.loads(site.file.read_text())["deployments"]
    places = {c: {d["contract"]: d["address"] for d in recorded if d["chain"] == c} for c in urls}
    assert places[LOCAL] == places[BASE]
    assert set(places[BASE]) == {"DepositFactory", "DepositForwarder", "PayoutVault"}
    before = site.file.read_bytes()
    for url in urls.values():
        (plan, _, done) = site.lines("deploy", "--chain", str(BASE), "--yes")
        assert (plan["steps"], done["sent"]) == ([], 0)
        assert count(running, url) == SENT
    assert site.file.read_bytes() == before


def test_another_vault_takes_the_place_of_the_first_beside_the_same_factory(
    site: Site, running: Nodes
) -> None:
    url = running.chain(BASE)
    site.configure({BASE: url})
    site.make_wallet(url, BASE)
    site.lines("deploy", "--chain", str(BASE), "--yes")
    _, mark, written = site.file.read_text().partition("# Written")
    first = mark + written
    operators = [{"lane": 1, "operator": OTHER.address}]
    site.configure({BASE: url}, vault_salt="0x" + "00" * 31 + "01", lanes=operators)
    site.file.write_text(site.file.read_text() + "\n" + first)

    events = site.lines("deploy", "--chain", str(BASE), "--yes")

    before, after = (
        {each["contract"]: each["address"] for each in tomllib.loads(text)["deployments"]}
        for text in (first, site.file.read_text())
    )
    assert [name for name in before if after[name] != before[name]] == ["PayoutVault"]
    assert [e["event"] for e in events].count("mined") == 4, "vault, operator, limit, hand-over"
    assert count(running, url) == SENT + 4
    site.accept(url, BASE, after["DepositFactory"])
    site.accept(url, BASE, after["PayoutVault"])
    assert site.differing(BASE, code=0) == {}


def test_hand_over_waits_for_the_wallet_and_then_everything_agrees(site: Site, running: Nodes) -> None:
    url = running.chain(BASE)
    site.configure({BASE: url})
    site.make_wallet(url, BASE)

    events = site.lines("deploy", "--chain", f"chain{BASE}", "--yes")

    places = next(e["contracts"] for e in events if e["event"] == "plan")
    waiting = {turn["contract"]: turn["advice"] for turn in events[-1]["waiting"]}
    assert set(waiting) == {"DepositFactory", "PayoutVault"}
    for contract, advice in waiting.items():
        assert advice == (
            f"{checksum(WALLET.address)} sends {contract}.acceptOwnership(): "
            f"to {places[contract]} data 0x79ba5097"
        )
    assert set(site.differing(BASE)) == {("DepositFactory", "owner"), ("PayoutVault", "owner")}
    for contract in waiting:
        site.accept(url, BASE, places[contract])
    assert site.differing(BASE, code=0) == {}
    assert site.lines("deploy", "--chain", str(BASE), "--yes")[-1]["waiting"] == []


def test_plan_is_shown_and_nothing_sent_until_somebody_says_yes(site: Site, running: Nodes) -> None:
    url = running.chain(BASE)
    site.configure({BASE: url})
    site.make_wallet(url, BASE)
    before = site.file.read_bytes()

    code, out, err = site.run("deploy", "--chain", str(BASE))
    assert code == 2
    assert "--yes or --dry-run" in err
    assert "deploy PayoutVault" in out
    assert "PayoutVault.transferOwnership(" in out
    [plan] = site.lines("deploy", "--chain", str(BASE), "--dry-run")
    assert len(plan["steps"]) == SENT
    assert 3_000_000 < plan["gas"] < 8_000_000
    assert plan["max_cost"] == plan["gas"] * plan["max_fee_per_gas"]
    assert site.run("deploy", "--chain", str(BASE), "--yes", "--dry-run")[0] == 2
    assert (count(running, url), site.file.read_bytes()) == (0, before)


@pytest.mark.parametrize("after", [1, 6, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3, 4, 5, 7))])
def test_run_that_dies_in_the_middle_is_completed_by_the_next(site: Site, running: Nodes, after: int) -> None:
    """The node takes the transaction and the connection dies: whether it was sent is unknown."""
    url = running.chain(LOCAL)
    liar = running.liar(url)
    site.configure({LOCAL: liar.url})
    site.make_wallet(url, LOCAL)
    sent: list[str] = []

    def die(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_sendRawTransaction":
            sent.append(result)
            if len(sent) == after:
                raise Refuse("too many requests", code=429)
        return result

    liar.twist = die
    code, _, err = site.run("deploy", "--chain", str(LOCAL), "--yes")
    assert (code, "too many requests" in err) == (3, True), err
    assert count(running, url) == after
    done = site.lines("deploy", "--chain", str(LOCAL), "--yes")[-1]

    assert done["sent"] == SENT - after
    assert count(running, url) == SENT
    assert set(site.differing(LOCAL)) == {("DepositFactory", "owner"), ("PayoutVault", "owner")}


def refused(site: Site, running: Nodes, *said: str, code: int = 1, chain: int = BASE) -> None:
    ended, _, err = site.run("deploy", "--chain", str(chain), "--yes")
    assert ended == code, err
    first, second = err.splitlines()
    for words in said:
        assert words in first + second, err


def test_owner_without_code_is_refused_before_anything_is_sent(site: Site, running: Nodes) -> None:
    url = running.chain(BASE)
    site.configure({BASE: url})

    refused(site, running, "kind is key-held account, not contract wallet", "make the contract wallet")
    assert count(running, url) == 0


@pytest.mark.parametrize(
    ("owners", "threshold", "said"),
    [
        ([OWNER_1.address, OTHER.address], 2, "owners is"),
        ([OWNER_1.address, OWNER_2.address, OTHER.address], 2, "owners is"),
        ([OWNER_1.address], 1, "owners is"),
        ([OWNER_1.address, OWNER_2.address], 1, "threshold is 1, not 2"),
    ],
)
def test_owner_with_other_owners_or_threshold_is_refused(
    site: Site, running: Nodes, owners: list[str], threshold: int, said: str
) -> None:
    url = running.chain(BASE)
    wallet = shared_wallet(owners, threshold)
    site.configure(
        {BASE: url},
        owner={
            "address": checksum(wallet.address),
            "owners": [OWNER_1.address, OWNER_2.address],
            "threshold": 2,
        },
    )
    site.make_wallet(url, BASE, wallet)

    refused(site, running, said, "correct contracts.owner")
    assert count(running, url) == 0


def test_contract_that_is_no_wallet_is_refused_as_owner(site: Site, running: Nodes) -> None:
    url = running.chain(BASE)
    owner = {"address": checksum(PROXY), "owners": [OWNER_1.address], "threshold": 1}
    site.configure({BASE: url}, owner=owner)

    refused(site, running, "owners is no answer")


def test_key_may_own_on_development_chains_alone(site: Site, running: Nodes) -> None:
    site.configure({BASE: "http://127.0.0.1:1"}, owner=None)
    refused(site, running, "contracts.owner is not set", "threshold = 2")

    site.configure({BASE: "http://127.0.0.1:1"}, collector_delay_s=0)
    refused(site, running, "contracts.collector_delay_s is 0", "collector_delay_s = 172800")

    url = running.chain(LOCAL)
    dollars = [{"name": "USD Coin", "symbol": "USDC"}]
    site.configure({LOCAL: url}, owner=None, collector_delay_s=0, test_dollars=dollars)
    done = site.lines("deploy", "--chain", str(LOCAL), "--yes")[-1]
    assert (done["sent"], done["waiting"]) == (6, [])
    assert site.differing(LOCAL, code=0) == {}


def test_chain_without_the_proxy_is_refused(site: Site, running: Nodes) -> None:
    url = running.chain(BASE)
    liar = running.liar(url)
    site.configure({BASE: liar.url})
    site.make_wallet(url, BASE)
    for code, found in (("0x", "missing"), ("0x6001", "other code")):
        liar.twist = lambda method, params, result, code=code: (
            code if method == "eth_getCode" and params[0] == "0x" + PROXY.hex() else result
        )
        refused(site, running, f"code is {found}", "docs/operating/contracts.md")


@pytest.mark.parametrize(
    ("chain", "name"), [(324, "ZKsync Era"), (300, "ZKsync Sepolia"), (232, "Lens"), (2741, "Abstract")]
)
def test_chain_with_other_create2_is_refused_by_name(
    site: Site, running: Nodes, chain: int, name: str
) -> None:
    site.configure({chain: "http://127.0.0.1:1"})

    refused(site, running, name, "CREATE2", "serve another chain", chain=chain)
    assert site.run("verify", "--chain", f"chain{chain}")[0] == 1


def test_node_of_another_chain_is_refused(site: Site, running: Nodes) -> None:
    site.configure({BASE: running.chain(LOCAL)})

    refused(site, running, f"the node serves chain {LOCAL}, not {BASE}", "BASCULE_CHAINS")


def test_node_that_does_not_answer_ends_with_three(site: Site, running: Nodes) -> None:
    site.configure({BASE: "http://127.0.0.1:1"})

    refused(site, running, "no answer from the node", code=3)


def test_unknown_chain_names_those_that_are_known(site: Site, running: Nodes) -> None:
    site.configure({BASE: "http://127.0.0.1:1"})

    refused(site, running, "there is no chain 5", f"{BASE} (chain{BASE})", chain=5)


def test_key_must_be_the_configured_deployers(
    site: Site, running: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = running.chain(BASE)
    site.configure({BASE: url})
    site.make_wallet(url, BASE)

    monkeypatch.setenv("BASCULE_DEPLOYER_KEY", OTHER.private_key)
    refused(site, running, OTHER.address, DEPLOYER.address)
    monkeypatch.setenv("BASCULE_DEPLOYER_KEY", "0x" + "00" * 32)
    refused(site, running, "BASCULE_DEPLOYER_KEY is no private key")
    monkeypatch.delenv("BASCULE_DEPLOYER_KEY")
    refused(site, running, "BASCULE_DEPLOYER_KEY is not set")
    assert count(running, url) == 0


def test_key_may_come_from_an_encrypted_file(
    site: Site, running: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bascule.entrypoints import wallet_keys

    url = running.chain(LOCAL)
    site.configure({LOCAL: url}, owner=None)
    wallet_keys.keep_key(site.file.parent / "deployer.json", "right", DEPLOYER.private_key)
    monkeypatch.delenv("BASCULE_DEPLOYER_KEY")
    monkeypatch.setenv("BASCULE_DEPLOYER_KEYSTORE", str(site.file.parent / "deployer.json"))
    monkeypatch.setenv("BASCULE_DEPLOYER_KEYSTORE_PASSWORD", "right")

    assert site.lines("deploy", "--chain", str(LOCAL), "--yes")[-1]["sent"] == SENT - 2


def test_deployer_without_money_is_told_how_much_is_missing(
    site: Site, running: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bascule.entrypoints import wallet_keys

    key = "0x" + "42" * 32
    site.configure({LOCAL: running.chain(LOCAL)}, owner=None, deployer=checksum(wallet_keys.wallet_of(key)))
    monkeypatch.setenv("BASCULE_DEPLOYER_KEY", key)

    refused(site, running, "holds 0.00000", "send it 0.0", chain=LOCAL)


def test_configuration_that_cannot_be_written_is_printed_to_paste(site: Site, running: Nodes) -> None:
    url = running.chain(LOCAL)
    site.configure({LOCAL: url}, owner=None)
    own = '\n[[deployments]]\nchain = 5\ncontract = "PayoutVault"\naddress = "0x' + "11" * 20
    own += '"\ncode_hash = "0x' + "22" * 32 + '"\n'
    site.file.write_text(site.file.read_text() + own)
    before = site.file.read_bytes()

    events = site.lines("deploy", "--chain", str(LOCAL), "--yes")

    told = next(e for e in events if e["event"] == "not_recorded")
    assert "outside our block" in told["why"]
    assert site.file.read_bytes() == before
    listed = tomllib.loads(told["toml"])["deployments"]
    assert {d["chain"] for d in listed} == {5, LOCAL}
    site.file.write_text(site.file.read_text().replace(own, "\n" + told["toml"]))
    assert site.differing(LOCAL, code=0) == {}


def test_written_file_keeps_its_comments_and_its_mode(site: Site, running: Nodes) -> None:
    site.configure({LOCAL: running.chain(LOCAL)}, owner=None)
    site.file.chmod(0o640)
    before = site.file.read_text()

    code, out, _ = site.run("deploy", "--chain", str(LOCAL), "--yes")

    assert code == 0
    assert f"Addresses and code hashes are in {site.file}." in out
    assert site.file.read_text().startswith(before)
    assert site.file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in site.file.parent.iterdir()] == ["bascule.toml"]


def test_json_of_an_error_is_one_object(site: Site, running: Nodes) -> None:
    site.configure({BASE: running.chain(LOCAL)})

    code, _, err = site.run("deploy", "--chain", str(BASE), "--yes", "--json")

    assert code == 1
    assert set(json.loads(err)) == {"event", "error", "next_step", "code"}
