"""The README's tour, and those of the API's pages, are run as they stand."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bascule.entrypoints.ports import held
from tests.support.source import ROOT

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
Tour = Callable[..., str]


@pytest.fixture
def walked(tmp_path: Path) -> Iterator[Tour]:
    """Runs the marked blocks of a document as one script beside a fresh `bascule dev`; gives its output."""
    (tmp_path / ".venv").symlink_to(BIN.parent)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("BASCULE_")}
    dev = subprocess.Popen(
        [str(BIN / "bascule"), "dev", "--port", "0", "--rpc-port", "0", "--json"],
        cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def walk(*documents: str, **given: str) -> str:
        text = "\n".join((ROOT / document).read_text(encoding="utf-8") for document in documents)
        blocks = re.findall(r"<!-- tour -->\n```bash\n(.*?)```", text, re.DOTALL)
        assert len(blocks) >= 4
        done = subprocess.run(
            [shutil.which("bash") or "/bin/bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
            cwd=tmp_path, env=environ | given, capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        assert dev.stdout is not None
        assert json.loads(dev.stdout.readline())["event"] == "ready"
        yield walk
    finally:
        dev.send_signal(signal.SIGTERM)
        dev.communicate(timeout=30)
    assert dev.returncode == 0


def test_readme_tour_runs_as_it_stands(walked: Tour) -> None:
    said = walked("README.md")

    assert "The intent has succeeded" in said
    assert "The payout is paid" in said
    assert re.search(r"^[1-9]\d* transactions with \d+ entries are as chain and commands say$", said, re.M)


def test_quickstart_page_runs_as_it_stands(walked: Tour) -> None:
    with held("127.0.0.1", 0) as port:
        said = walked("docs/api/quickstart.md", PORT=str(port))

    [intent] = re.findall(r"^The customer's page: http\S+/c/(pi_\w+)$", said, re.MULTILINE)
    assert "Still one intent" in said
    told = sorted(re.findall(r"^(verified|refused): (.*)$", said, re.MULTILINE))
    assert told == [("verified", f"payment_intent.{state} {intent}") for state in ("processing", "succeeded")]
    assert said.splitlines()[-2:] == ["The intent has succeeded", "A forged webhook gets 400"]


def test_checkout_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/checkout.md").splitlines()

    assert re.fullmatch(r"Send the payer to http\S+/c/cs_\w+", said[0])
    assert said[-5:] == [
        "The session is complete", "expired", "canceled",
        '"code":"checkout_session_unexpected_state"', "7.000000",
    ]  # fmt: skip


def test_treasury_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/payouts.md")

    assert re.findall(r"po_\w+ \(950.000000 usdc\) is (\w+)", said) == ["requires_action", "pending"]
    assert re.search(r"^3 +amount +amount_decimal_comma +1300,50$", said, re.MULTILINE)
    assert "cannot be handed in" in said
    assert "exit 1" in said
    assert "the batch is completed" in said


def test_x402_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/x402.md")

    assert '"isValid":true' in said
    assert "The authorization is settled" in said
    assert "settled: Its deposit is final and booked." in said


def test_refunds_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/refunds.md")

    assert "5.000000 of it was too much" in said
    assert "Is this address yours?" in said
    assert re.search(r"^The refund has succeeded\n5\.000000$", said, re.MULTILINE)
    assert '"code":"refund_exceeds_refundable"' in said


def test_settlement_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/settlement.md")

    assert re.search(r'^ +"interval": "daily",$', said, re.MULTILINE)
    assert "5.000000 stays" in said
    assert "period 1: 25.000000" in said
    assert re.search(r"^The settlement is completed\n5\.000000$", said, re.MULTILINE)
    assert '"code":"settlement_nothing_due"' in said


def test_reports_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/reports.md")

    assert "paid: succeeded" in said
    assert re.search(r'"net": "42.500000"', said)
    assert re.search(
        r"^txn_\w+,payment,dep_\w+,.*,42.500000,0.000000,42.500000,pi_\w+,.*,'=1\+1$", said, re.M
    )
    assert re.search(r"^repr-digest: sha-256=:.*:", said, re.MULTILINE)
    assert re.search(r"^october/balance.csv +\d+ +\d+ +[0-9a-f]{64}", said, re.MULTILINE)
    assert re.search(r"^large/thresholds.csv +0 ", said, re.MULTILINE)
    assert re.search(r"^journal/month=[-0-9]+/journal.parquet", said, re.MULTILINE)


def test_evidence_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/evidence.md")

    assert "the intent has succeeded" in said
    checks = ("checksum", "proof", "header", "receipt", "transfer", "place")
    found = [(name, re.findall(rf"^{name} +(\w+)", said, re.MULTILINE)) for name in checks]
    forged = {"checksum", "transfer"}
    assert found == [(name, ["ok", "failed" if name in forged else "ok"]) for name in checks]
    assert "refused with 1" in said


def test_screening_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/screening.md")

    assert "It waits for screening" in said
    assert len(re.findall(r"^scr_\w+ +rejected +- +po_\w+ +1.000000 +usdc", said, re.MULTILINE)) == 2
    assert "none is open" in said
    assert '"name":"Ada Example"' in said


def test_quotes_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/quotes.md")

    assert re.findall(r"^27\.173914$", said, re.MULTILINE) == ["27.173914"] * 2, "quoted and asked for"
    assert re.search(r"usdc/eur +fixed +0\.92 ", said)
    assert '"quote_used"' in said
    assert said.splitlines()[-1] == "used"


def test_invoices_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/invoices.md")

    assert re.findall(r"^TEST-INV-\d+$", said, re.MULTILINE) == ["TEST-INV-000001", "TEST-INV-000002"]
    assert "1142.400000" in said
    assert "Pay 1142.40 USDC" in said
    assert '"code":"invoice_unexpected_state"' in said
    assert "The invoice is paid" in said
    assert said.splitlines()[-1] == "void"


def test_sandbox_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/sandbox.md")

    assert re.findall(r"pi_\w+ is (\w+)", said) == [
        "succeeded", "processing", "requires_action", "canceled", "succeeded",
    ]  # fmt: skip
    assert '"test_helpers.gas_spike"' in said
    assert "['held']" in said


def test_webhooks_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/webhooks.md")

    assert "no connection to 127.0.0.1" in said
    assert len(re.findall(r'"deliveries":1,"last_sequence":\d+,"has_more":false', said)) == 2


def test_exceptions_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/exceptions.md")

    assert [line for line in said.splitlines() if not line.startswith("0x")] == [
        "requires_action partially_paid", "requires_action partially_paid", "succeeded", "succeeded overpaid",
        "processing", "succeeded duplicate", "requires_action expired", "succeeded expired late",
        "intent_closed apply accept refund",
    ]  # fmt: skip


def test_unusual_payments_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/unusual-payments.md")

    assert [line for line in said.splitlines() if not line.startswith("0x")] == [
        "requires_action wrong_token", "wrong_token apply accept refund", "requires_action held", "succeeded",
    ]  # fmt: skip


def test_reorged_payments_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/reorged-payments.md")

    assert [line for line in said.splitlines() if not line.startswith("0x")] == [
        "processing", "requires_action reorged", "succeeded", "succeeded reorged reversed",
    ]  # fmt: skip


def test_developing_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/developing.md", "docs/api/idempotency.md")

    assert re.search(r"^payment_intent.canceled: evt_\w+$", said, re.MULTILINE)
    assert re.search(r"^  paid +pi_\w+  succeeded$", said, re.MULTILINE)
    posted = r"  \[200\]  POST   /v1/payment_intents  sk_test_\w{8}  req_\w+  \d+ ms$"
    assert re.search(posted, said, re.MULTILINE)
    assert "one order, one intent: True\namount_decimal_point_required amount\nlisted: True\n" in said
    codes = [*re.findall(r'^"code":"(\w+)"$', said, re.MULTILINE)]
    assert codes == ["idempotency_key_reused", "idempotency_key_missing"]
    assert "idempotent-replayed: true" in said


def test_requests_page_runs_as_it_stands(walked: Tour) -> None:
    said = walked("docs/api/requests.md")

    assert re.search(r'^ratelimit: "key";r=\d+;t=\d+, "account";r=\d+;t=\d+', said, re.M | re.I)
    assert [line.strip() for line in said.splitlines() if not line.lower().startswith("ratelimit")] == [
        "bascule-version: 2026-12-01", '"code":"version_unknown"', '"api_version":"2026-12-01"',
        "its transaction is shown", "deposit", '"param":"expand[0]"', "found by its order",
        "found by its transaction", "nothing else is", "search_invalid",
    ]  # fmt: skip
