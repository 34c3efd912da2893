"""Every trigger beside a running installation: the events it promises are told, to nobody else."""

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bascule.entrypoints.api.app import OPERATIONS
from bascule.entrypoints.api.effects import Download, Stream
from bascule.entrypoints.cli import scripting
from tests.slow.test_demo import environment
from tests.support.cases import case

pytestmark = pytest.mark.slow
BASCULE = str(Path(sys.executable).parent / "bascule")
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A development installation, and its folder as this process's."""
    folder = tmp_path_factory.mktemp("triggers")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        dev = subprocess.Popen(
            [BASCULE, "dev", "--port", "0", "--rpc-port", "0", "--json"],
            cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert dev.stdout is not None
            said = json.loads(dev.stdout.readline())
            assert said["event"] == "ready"
            yield said
        finally:
            dev.send_signal(signal.SIGTERM)
            dev.communicate(timeout=30)


@pytest.fixture(scope="module")
def missing(ready: dict[str, Any]) -> dict[str, set[str]]:
    """Plays every trigger; the events that were promised and not told, by script."""
    scripts: dict[str, list[str]] = {}
    for event, found in scripting.triggers().items():
        if "by" in found:
            scripts.setdefault(found["by"], []).append(event)
    missing: dict[str, set[str]] = {}
    for events in scripts.values():
        found = scripting.triggers()[events[0]]
        with scripting._script(None, None) as script:
            told_to = script.clients[found["told_to"]]
            seen = [each["account_sequence"] for each in told_to.events.list(limit=100)]
            asked = {"after_sequence": max(seen, default=0), "limit": 100}
            for _ in script.play(found["fixtures"]):
                pass
            wanted, deadline = set(events), time.monotonic() + PATIENCE_S
            while wanted and time.monotonic() < deadline:
                time.sleep(0.25)
                wanted -= {each["type"] for each in told_to.events.list(**asked).auto_paging_iter()}
        if wanted:
            missing[found["by"]] = wanted
    return missing


def test_every_trigger_brings_about_the_events_it_promises(missing: dict[str, set[str]]) -> None:
    done = subprocess.run([BASCULE, "trigger", "payment_intent.canceled"], capture_output=True, text=True,
                          env=environment(), check=False)  # fmt: skip

    assert missing == {}
    assert (done.returncode, "payment_intent.canceled: evt_" in done.stdout) == (0, True), done.stderr


# Operations whose id is no object of an account: an account's own name, and a fault of the node.
OF_NOBODY = {"sandbox_clear_fault"}
# Objects that are the operator's alone: whoever asks as a merchant is told so, whatever the id.
OPERATORS = {"breaks", "reconciliation", "screenings"}
# Resources of which no trigger makes an object; test_ownership.py shows them closed.
NOT_MADE = {
    "api_keys",
    "members",
    "webhook_endpoints",
    "quotes",
    "files",
    "checkout",
    "authorizations",
    "policies",
    "screenings",
}


@pytest.mark.usefixtures("missing")
def test_nothing_that_any_trigger_made_exists_for_another_account(ready: dict[str, Any]) -> None:
    owners = [ready["secret_key"], ready["treasury"]["secret_key"]]
    found = {secret: objects_of(ready["api_url"], secret) for secret in owners}
    asked: dict[str, int] = {}
    with httpx.Client(base_url=ready["api_url"], auth=(a_strangers_key(), "")) as stranger:
        for operation in OPERATIONS:
            if "{id}" not in operation.path or operation.name in OF_NOBODY:
                continue
            for ids in found.values():
                for number, id in enumerate(ids.get(operation.tag, [])[:5]):
                    url = operation.path.format(id=id, delivery="dlv_" + "0" * 26, token="usdc")
                    with case(f"{operation.name} {id}"):
                        answer = stranger.request(
                            operation.method, url,
                            json=None if operation.reads else dict(operation.example) or None,
                            headers={"idempotency-key": f"{operation.name}-{number}-{id}"},
                        )  # fmt: skip
                        code = answer.json()["error"]["code"]
                        if operation.tag in OPERATORS:
                            assert (answer.status_code, code) == (403, "operator_only")
                        else:
                            assert (answer.status_code, code) == (404, "resource_missing")
                        asked[operation.tag] = asked.get(operation.tag, 0) + 1
        told = {each["type"] for each in stranger.get("/v1/events", params={"limit": 100}).json()["data"]}

    tags = {operation.tag for operation in OPERATIONS if "{id}" in operation.path}
    assert tags - asked.keys() - NOT_MADE == {"test_helpers"} - asked.keys()
    assert told == set(), "and nothing of it is the stranger's"


def a_strangers_key() -> str:
    """A key of a merchant who came after everything was made."""

    def told(words: str) -> dict[str, Any]:
        script = f". .bascule/dev.env && {shlex.quote(BASCULE)} {words} --json"
        done = subprocess.run(
            ["bash", "-ec", script], capture_output=True, text=True, env=environment(), check=False
        )
        assert done.returncode == 0, done.stderr
        made: dict[str, Any] = json.loads(done.stdout)
        return made

    account = told("merchants create Stranger")["id"]
    secret = told(f"keys create --account {account}")["secret"]
    assert isinstance(secret, str)
    return secret


LISTS = [
    operation for operation in OPERATIONS
    if operation.reads and "{" not in operation.path and "limit" in operation.params.model_fields
    and not isinstance(operation.effect, Download | Stream) and not operation.path.endswith("/search")
]  # fmt: skip


def objects_of(url: str, secret: str) -> dict[str, list[str]]:
    """The ids of what an account has, by the tag of the operations that take such an id."""
    with httpx.Client(base_url=url, auth=(secret, "")) as client:
        found: dict[str, list[str]] = {}
        for operation in LISTS:
            page = client.get(operation.path, params={"limit": 100}).json().get("data", [])
            found.setdefault(operation.tag, []).extend(str(each["id"]) for each in page if "id" in each)
        found["test_helpers"] = found["payment_intents"]
    return found
