"""A token of the engineer's own: deployed, accepted, paid with and booked; what is no token is refused."""

import json

import pytest

from bascule.domain.errors import Conflict, Rejected
from bascule.entrypoints.cli.app import run
from bascule.entrypoints.testing.bridge import Bridge
from tests.support.chain import ABI

PLAIN = json.loads((ABI / "quirks" / "PlainToken.json").read_text())
DOLLAR = json.loads((ABI / "TestDollar.json").read_text())


def own_token(bridge: Bridge, units: int = 1_000 * 10**18) -> str:
    """A plain token of 18 decimals, some of it with the first customer."""
    token = bridge.chain.deploy(PLAIN)
    bridge.chain.send(token, PLAIN, "mint", bridge.chain.accounts[0].address, units)
    bridge.mine()
    return token


def test_payment_in_an_own_token_succeeds_and_is_booked(bridge: Bridge) -> None:
    token = own_token(bridge)
    accepted = bridge.accept_token(token)
    assert (accepted["currency"], accepted["decimals"]) == ("pln", 18)

    intent = bridge.create_intent("12.50", currency="pln")
    bridge.pay(intent)
    bridge.finalize()

    assert bridge.intent(intent)["status"] == "succeeded"
    books = {each["currency"]: each for each in bridge.reconcile()}
    assert (books["pln"]["journal"], books["pln"]["residual"]) == (str(125 * 10**17), "0")


def test_token_is_accepted_from_the_command_line(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL", bridge.database_url)
    monkeypatch.setenv("BASCULE_CHAINS", f"31337={bridge.chain.url}")
    token = own_token(bridge)

    assert run(["tokens", "accept", token, "--currency", "zloty", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["contract"], shown["currency"], shown["accepted"]) == (token, "zloty", True)
    assert run(["tokens", "accept", token, "--currency", "zloty", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == shown
    assert bridge.create_intent("1.00", currency="zloty")["currency"] == "zloty"

    assert run(["tokens", "accept", token, "--currency", "złoty"]) == 1
    assert "cannot be a currency" in capsys.readouterr().err


def test_contract_that_is_no_token_is_refused(bridge: Bridge) -> None:
    for stranger in (bridge.chain.vault, bridge.chain.accounts[5].address):
        with pytest.raises(Rejected, match=f"the contract {stranger} does not say its decimals"):
            bridge.accept_token(stranger, "mine")


def test_currency_of_a_known_token_never_changes(bridge: Bridge) -> None:
    with pytest.raises(Conflict, match="known with another currency"):
        bridge.accept_token(bridge.chain.usdc, "mine")


def test_own_calls_are_checked_against_the_abi(bridge: Bridge) -> None:
    token = own_token(bridge)

    with pytest.raises(ValueError, match="the ABI has 0 methods mint of 1 arguments"):
        bridge.chain.send(token, PLAIN, "mint", bridge.chain.accounts[0].address)
    with pytest.raises(ValueError, match="the constructor takes 3 arguments, not 0"):
        bridge.chain.deploy(DOLLAR)
