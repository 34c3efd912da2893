"""Merchant, customer, treasurer and approvers at the command line, beside a running `bascule dev`."""

import base64
import json
import os
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.slow.test_demo import BASCULE, dev, environment
from tests.support.oracle import require_sound

pytestmark = pytest.mark.slow
PAYEE = "0x000000000000000000000000000000000000bEEF"


def api(ready: dict[str, Any], key: str, path: str, **form: str) -> dict[str, Any]:
    """A request as curl sends it: Basic auth, and a form when there is one."""
    body = urllib.parse.urlencode(form).encode() if form else None
    request = urllib.request.Request(ready["api_url"] + path, body)
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{key}:".encode()).decode())
    request.add_header("Idempotency-Key", f"test-{time.monotonic_ns()}")
    with urllib.request.urlopen(request, timeout=20) as response:
        answer: dict[str, Any] = json.loads(response.read())
    return answer


def bascule(folder: Path, *words: str, code: int = 0) -> list[dict[str, Any]]:
    """A command about the installation in `folder`, and its JSON lines."""
    done = subprocess.run(
        [*BASCULE, *words, "--json"],
        capture_output=True,
        text=True,
        env=environment(BASCULE_CONFIG=str(folder / "bascule.toml")),
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def until(look: Any, status: str) -> dict[str, Any]:
    deadline = time.monotonic() + 40
    while (found := look())["status"] != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    result: dict[str, Any] = found
    return result


def test_payment_and_payout_by_hand_end_with_even_books(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with dev(folder) as (_, ready):
        key, treasury = ready["secret_key"], ready["treasury"]["secret_key"]
        intent = api(ready, key, "/v1/payment_intents", amount="12.00", currency="usdc")
        [paid] = bascule(folder, "pay", intent["id"])
        assert paid["amount_atomic"] == "12000000"
        until(lambda: api(ready, key, f"/v1/payment_intents/{intent['id']}"), "succeeded")
        [told] = bascule(folder, "explain", intent["id"])
        assert told["state"].startswith("succeeded: ")
        assert told["deposits"][0]["transaction"] == paid["hash"]

        payout = api(
            ready, treasury, "/v1/payouts",
            amount="7.25", currency="usdc", network=f"eip155:{ready['chain_id']}", destination=PAYEE,
        )  # fmt: skip
        [once] = bascule(folder, "approve", payout["id"], "--approver", "1")
        assert (once["status"], len(once["approvals"])) == ("requires_action", 1)
        [twice] = bascule(folder, "approve", payout["id"], "--approver", "3")
        assert twice["status"] == "pending"
        final = until(lambda: api(ready, treasury, f"/v1/payouts/{payout['id']}"), "paid")
        bascule(folder, "approve", payout["id"], "--approver", "2", code=1)
        assert bascule(folder, "payouts", "reissue", payout["id"], code=1) == [], "it is paid"
        [sent] = final["transactions"]
        [told] = bascule(folder, "explain", sent["hash"])
        assert told["ours"]["payouts"] == {payout["id"]: "paid"}
        assert told["transfers"][0]["amount_atomic"] == "7250000"

        assert [line["residual"] for line in bascule(folder, "reconcile")] == ["0"]
        assert {finding["state"] for finding in bascule(folder, "doctor")} == {"ok"}
        found = require_sound(ready)
        assert (found.payouts_paid, found.deposits_booked) == (1, 1)


@pytest.mark.parametrize("victim", ["postgres", "chain"])
def test_ground_that_is_killed_under_a_running_bridge_comes_back(tmp_path: Path, victim: str) -> None:
    folder = tmp_path / "data"
    with dev(folder) as (process, ready):
        before = require_sound(ready)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0 if victim == "postgres" else 1]), signal.SIGKILL)
        intent = None
        deadline = time.monotonic() + 40
        while intent is None:
            try:
                intent = api(
                    ready, ready["secret_key"], "/v1/payment_intents", amount="3.00", currency="usdc"
                )
            except OSError:  # 503 while the database is away
                assert time.monotonic() < deadline
                time.sleep(0.2)
        bascule_until_paid(folder, intent["id"])
        until(lambda: api(ready, ready["secret_key"], f"/v1/payment_intents/{intent['id']}"), "succeeded")
        after = require_sound(ready)
    assert after.custody == before.custody + 3_000_000


def bascule_until_paid(folder: Path, intent_id: str) -> None:
    """The customer tries again while the node is away."""
    deadline = time.monotonic() + 40
    while True:
        done = subprocess.run(
            [*BASCULE, "pay", intent_id],
            capture_output=True,
            text=True,
            env=environment(BASCULE_CONFIG=str(folder / "bascule.toml")),
            check=False,
        )
        if done.returncode == 0:
            return
        assert done.returncode == 3, done.stderr
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.2)
