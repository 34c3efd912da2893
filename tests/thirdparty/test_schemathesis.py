"""A program that knows of us only the OpenAPI document finds no answer that the document has not.

Each phase has a run of its own and a fixed number of cases, so that a slow machine tests as much as a fast
one, and what was tested is read from the program's report of every case. No rates are set, so none is met.

Rejected: one run within some seconds, which one phase ate; and every value that the coverage phase has for
every operation, over 9000 requests for 84 of them. It asks all of the operator's own operations, and what
merchants use most, with well-formed values and with malformed ones apart; the other phases ask everything.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bascule.entrypoints.api import create_app
from bascule.entrypoints.api.app import OPERATIONS
from tests.support.api import Shop
from tests.support.sandbox import served

pytestmark = pytest.mark.slow

SEED = 20261122
LIMIT_S = 600  # only of a run that hangs
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# One never ends; the others would end the key that asks.
LEFT_OUT = ("stream_events", "revoke_api_key", "rotate_api_key")
ASKED = [operation for operation in OPERATIONS if operation.name not in LEFT_OUT]
OPERATORS = ("/v1/accounts", "/v1/breaks", "/v1/floats", "/v1/reconciliation", "/v1/screening")
# What a merchant makes of an example, and every operation on it.
MADE = ("create_payment_intent", "create_checkout_session", "create_invoice", "create_destination",
        "create_webhook_endpoint")  # fmt: skip
CHAINS = ("/v1/payment_intents", "/v1/checkout/sessions", "/v1/invoices", "/v1/destinations",
          "/v1/webhook_endpoints")  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A request that the program made. link: the two operations it went between, if it followed one."""

    operation: str
    status: int
    link: str | None


@pytest.mark.parametrize("phase", ["examples", "coverage", "fuzzing"])
async def test_no_answer_to_a_merchant_is_a_fault_or_undocumented(
    shop: Shop, tmp_path: Path, phase: str
) -> None:
    only = ("--mode", "positive", *_under(CHAINS)) if phase == "coverage" else ()
    cases = await _asked(shop, shop.secret, tmp_path, phase, "--max-examples", "2", *only)

    asked = {
        "examples": [operation for operation in ASKED if operation.example],
        "coverage": [operation for operation in ASKED if operation.path.startswith(CHAINS)],
        "fuzzing": ASKED,
    }[phase]
    assert {f"{each.method} {each.path}" for each in asked} <= {case.operation for case in cases}
    assert len({case.operation for case in cases if case.status == 200}) >= 10, "some requests were right"


async def test_no_answer_to_what_a_merchant_spells_wrong_is_a_fault_or_undocumented(
    shop: Shop, tmp_path: Path
) -> None:
    cases = await _asked(shop, shop.secret, tmp_path, "coverage", "--mode", "negative", *_under(CHAINS))

    asked = {f"{each.method} {each.path}" for each in ASKED if each.path.startswith(CHAINS)}
    assert asked <= {case.operation for case in cases}
    refused = [case for case in cases if 400 <= case.status < 500]
    assert len(refused) >= 2_000, "what was spelled wrong was refused"


@pytest.mark.parametrize("phase", ["coverage", "fuzzing"])
async def test_no_answer_to_the_operator_is_a_fault_or_undocumented(
    shop: Shop, tmp_path: Path, phase: str
) -> None:
    secret = (await shop.key(shop.operator)).secret
    cases = await _asked(shop, secret, tmp_path, phase, "--max-examples", "5", *_under(OPERATORS))

    asked = [operation for operation in ASKED if operation.path.startswith(OPERATORS)]
    assert {f"{each.method} {each.path}" for each in asked} <= {case.operation for case in cases}


async def test_no_answer_along_the_documents_links_is_a_fault_or_undocumented(
    shop: Shop, tmp_path: Path
) -> None:
    async with shop.client() as client:
        for operation in ASKED:
            if operation.name in MADE:
                made = await client.post(operation.path, json=dict(operation.example or {}))
                assert made.status_code == 200, made.text
    only_ours = tmp_path / "schemathesis.toml"  # not the links that the program guesses
    only_ours.write_text("[phases.stateful.inference]\nalgorithms = []\n")
    cases = await _asked(
        shop, shop.secret, tmp_path, "stateful", "--max-examples", "80", "--mode", "positive", *_under(CHAINS)
    )

    links = {case.link for case in cases if case.link}
    changed = {
        case.operation
        for case in cases
        if case.link and case.status == 200 and not case.operation.startswith("GET ")
    }
    assert len(links) >= 15, sorted(links)
    assert len(changed) >= 6, f"what links led to and was done: {sorted(changed)}"


def _under(paths: tuple[str, ...]) -> tuple[str, ...]:
    return ("--include-path-regex", "|".join(f"^{path}" for path in paths))


async def _asked(shop: Shop, secret: str, folder: Path, phase: str, *words: str) -> list[Case]:
    """What the program asked in the phase; fails unless it found every answer good and ended of itself."""
    report = folder / "report.ndjson"
    async with served(create_app(shop.deps)) as url:
        program = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/openapi.json",
            "-H", f"Authorization: Bearer {secret}", "--phases", phase, "--checks", CHECKS, *words,
            "--seed", str(SEED), "--no-shrink", "--request-timeout", "60", "--generation-database", "none",
            "--report-ndjson-path", str(report), "--continue-on-failure",
            *(word for name in LEFT_OUT for word in ("--exclude-operation-id", name)),
            cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            said, _ = await asyncio.wait_for(program.communicate(), LIMIT_S)
        finally:
            if program.returncode is None:
                program.kill()
                await program.wait()
    print(said.decode())
    assert program.returncode == 0, f"seed {SEED}"
    async with shop.client(secret) as client:
        assert (await client.get("/v1/balance")).status_code == 200, "the key was good to the end"
    cases = list(_cases(report))
    assert not [case for case in cases if case.status == 429 or case.status >= 500]
    return cases


def _cases(report: Path) -> Iterator[Case]:
    for line in report.read_text().splitlines():
        for kind, event in json.loads(line).items():
            if kind == "ScenarioFinished":
                yield from _of_scenario(event["recorder"])


def _of_scenario(recorder: dict[str, Any]) -> Iterator[Case]:
    interactions = recorder.get("interactions", {})
    for id, case in recorder.get("cases", {}).items():
        value, answer = case["value"], interactions[id]["response"]
        followed = case.get("is_transition_applied") and case["transition"]["id"]
        yield Case(f"{value['method']} {value['path']}", answer["status_code"], followed or None)
