"""Every failure a merchant can meet has a trigger on the sandbox's page, and a test that shows it."""

import ast
import re
import tomllib
from pathlib import Path

from bascule.domain.application import Reason
from bascule.domain.payment_intent import Flag
from bascule.domain.payout import FAILURES, FailureCode
from bascule.domain.webhook import EventType
from bascule.domain.x402 import Reason as Reason402
from bascule.entrypoints.api.app import OPERATIONS
from bascule.entrypoints.api.codes import CODES
from bascule.entrypoints.api.problems import TABLE
from bascule.entrypoints.cli.app import _tree
from bascule.entrypoints.cli.scripting import triggers
from tests.support.source import ROOT, SRC
from tests.tidy.test_audited import commands

SHOWN = tomllib.loads((Path(__file__).parent / "failures.toml").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "api" / "sandbox.md").read_text(encoding="utf-8")
PART = PAGE[PAGE.index("## Every failure") : PAGE.index("## Where it works")]
ROWS = dict(re.findall(r"^\| ([a-z_]+ [a-z0-9_ ]+) \| (.+) \|$", PART, re.MULTILINE))
HELPERS = "/v1/test_helpers/"
# How events end that tell of a failure, and how the row says it where it says it otherwise.
BAD = dict.fromkeys((
    "failed", "expired", "canceled", "orphaned", "reorged", "reversed", "held", "stuck", "suspended",
    "degraded", "overdue", "overpaid", "disabled", "completed_with_failures",
)) | {
    "partially_funded": "partially_paid", "voided": "void", "marked_uncollectible": "uncollectible",
    "rejected": "approval_rejected", "replaced": "replaced", "unapplied": "intent_closed",
}  # fmt: skip
# How events end that tell of nothing bad.
FINE = {
    "applied", "approved", "available", "completed", "created", "detected", "due", "finalized", "in_transit",
    "paid", "processing", "released", "requires_action", "revoked", "rotated", "scheduled", "settled",
    "succeeded", "updated", "validated", "verified", "will_be_due",
}  # fmt: skip
# Who hears of what: what the operator alone hears is no merchant's, but for what a merchant's payments meet.
HEARD = tomllib.loads((SRC / "entrypoints" / "api" / "events.toml").read_text(encoding="utf-8"))
MET = {"network.degraded", "token.suspended"}
# Codes without a row, by why they need none.
REFUSALS = tomllib.loads((Path(__file__).parent / "refusals.toml").read_text(encoding="utf-8"))
# The answers after which the same request may succeed, by status, and their codes.
AGAIN = {409: "idempotency_key_in_use", 429: "rate_limited", 499: "body_cut_short", 500: "internal_error",
         503: "not_ready"}  # fmt: skip


def test_every_failure_of_the_domain_is_on_the_page_and_has_a_test() -> None:
    payments = {f"payment_intent {flag}" for flag in Flag} | {f"deposit {reason}" for reason in Reason}
    payouts = {f"payout {code}" for code in FailureCode}
    webhooks = {name for name in SHOWN if name.startswith("webhook ")}
    pending = {f"authorization {Reason402.PENDING}"}
    again = {f"api {code}" for code in AGAIN.values()}
    refused = {f"api {code}" for code in set(CODES) - {code for codes in REFUSALS.values() for code in codes}}

    assert len(webhooks) == 6
    assert set(SHOWN) == payments | payouts | webhooks | pending | again | refused | told_of()
    assert set(ROWS) == set(SHOWN)


def told_of() -> set[str]:
    """The rows of the events that tell of a failure: what happened last, to what it happened."""
    found = set()
    for event in {*HEARD["owner"], *MET}:
        words = event.removeprefix("reporting.").replace("checkout.session", "checkout_session")
        kind, _, happened = words.replace("webhook_endpoint", "webhook").partition(".")
        if happened in BAD:
            found.add(f"{kind} {BAD[happened] or happened}")
    return found


def test_of_every_event_a_merchant_hears_it_is_decided_whether_it_tells_of_a_failure() -> None:
    assert {*HEARD["owner"], *HEARD["operator"]} == set(EventType)
    assert set(HEARD["operator"]) >= MET
    ends = {event.rpartition(".")[2] for event in HEARD["owner"]}
    assert ends - set(BAD) == FINE


def test_every_code_is_a_request_of_its_own_or_has_a_row_or_a_reason() -> None:
    """A new code is red until it is decided; what is decided is decided once and exists."""
    decided = [code for codes in REFUSALS.values() for code in codes]
    decided += [row.removeprefix("api ") for row in ROWS if row.startswith("api ")]
    assert sorted(decided) == sorted(CODES)


def test_page_says_which_refusals_it_cannot_bring_about_and_why() -> None:
    assert dict(re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", PART, re.MULTILINE)) == REFUSALS["not_here"]


def test_every_answer_that_is_worth_asking_for_again_is_on_the_page() -> None:
    assert {status for _, status, _, again in TABLE if again} == set(AGAIN)
    assert set(AGAIN.values()) <= set(CODES)


def test_payouts_page_says_of_each_failure_what_happened_and_what_to_do() -> None:
    page = (ROOT / "docs" / "api" / "payouts.md").read_text(encoding="utf-8")
    row = re.compile(r"^\| `([a-z_]+)` \| (?:failed|canceled|either) \| (.+) \| (.+) \|$", re.MULTILINE)
    assert {code: (what, do) for code, what, do in row.findall(page)} == dict(FAILURES)


def test_every_test_that_is_named_exists_and_names_the_refusal_it_shows() -> None:
    for failure, pointer in SHOWN.items():
        path, _, name = pointer.partition("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        defined = {
            each.name: each
            for each in ast.walk(ast.parse(text))
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert name in defined, f"{failure}: {path} has no {name}"
        kind, _, code = failure.partition(" ")
        if kind == "api" and code not in AGAIN.values():
            assert f'"{code}"' in (ast.get_source_segment(text, defined[name]) or ""), f"{pointer}: no {code}"


def test_everything_the_page_says_to_do_can_be_done() -> None:
    paths, known = {operation.path for operation in OPERATIONS}, triggers()
    said, words = set(commands(_tree())), 0
    for failure, how in ROWS.items():
        for code in re.findall(r"`([^`]+)`", how):
            if event := re.fullmatch(r"bascule trigger (\S+)", code):
                assert "fixtures" in known[event[1]], f"{failure}: {code} is not to be had"
            elif command := re.fullmatch(r"bascule (.+)", code):
                assert command[1] in said, f"{failure}: there is no {code}"
            elif asked := re.fullmatch(r"POST (/v1/\S+)", code):
                assert asked[1] in paths, f"{failure}: there is no {code}"
            elif "/" in code:
                assert HELPERS + code in paths, f"{failure}: there is no {code}"
            else:
                continue
            words += 1
    assert words > 40
