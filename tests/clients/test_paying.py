"""Customers that know nothing of us but the API: viem, web3.py and a wallet that reads a payment link."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.slow.test_demo import dev, environment
from tests.slow.test_hands import api, until
from tests.support.anvil import BY_INTERVAL, CLIENTS, anvil
from tests.support.javascript import node_command
from tests.support.oracle import require_sound

pytestmark = pytest.mark.slow
PAID = re.compile(r"(pi_\w+) succeeded: 12\.340000 by (0x[0-9a-f]{64})\n")


@pytest.fixture(params=["local chain", "anvil"])
def ready(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A bridge on our local chain, and one on anvil."""
    with ExitStack() as stack:
        options = []
        if request.param == "anvil":
            options = ["--rpc-url", stack.enter_context(anvil(*BY_INTERVAL))]
        _, facts = stack.enter_context(dev(tmp_path / "data", *options))
        yield facts


def client(ready: dict[str, Any], customer: int, command: list[str]) -> "subprocess.Popen[str]":
    """A started client with a wallet of its own."""
    environ = environment(
        API=ready["api_url"],
        SECRET_KEY=ready["secret_key"],
        RPC_URL=ready["rpc_url"],
        CUSTOMER_KEY=ready["funded_accounts"][customer]["private_key"],
    )
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_payments_by_outside_clients_succeed_to_the_last_unit(ready: dict[str, Any]) -> None:
    asked = api(ready, ready["secret_key"], "/v1/payment_intents", amount="7.00", currency="usdc")
    [place] = asked["next_action"]["display_deposit_details"]["deposit_addresses"].values()
    link = place["supported_tokens"][0]["eip681_uri"]
    commands = (
        node_command("pay.mjs"),
        [sys.executable, str(CLIENTS / "pay_web3.py")],
        node_command("pay_link.mjs", link),
    )
    started = [client(ready, number, command) for number, command in enumerate(commands)]
    said = [process.communicate(timeout=150)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], said

    for text in said[:2]:
        found = PAID.fullmatch(text)
        assert found, text
        deposits = api(ready, ready["secret_key"], f"/v1/payment_intents/{found[1]}/deposits")["data"]
        assert [(d["tx_hash"], d["amount_atomic"], d["status"]) for d in deposits] == [
            (found[2], "12340000", "finalized")
        ]
    until(lambda: api(ready, ready["secret_key"], f"/v1/payment_intents/{asked['id']}"), "succeeded")
    assert require_sound(ready).deposits_booked == 3
