"""Scripts of requests: what references stand for, and that every event has a trigger or a reason."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import bascule
from bascule.domain.webhook import EventType
from bascule.entrypoints.cli.app import run
from bascule.entrypoints.cli.script import Script
from bascule.entrypoints.cli.scripting import triggers
from bascule.entrypoints.failures import CommandFailed


class Recorder:
    """Keeps what was asked, and answers with it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []

    def request(self, method: str, path: str, params: Any = None) -> Any:
        self.asked.append((method, path, params))
        return {"id": f"id_{len(self.asked)}", "data": [{"amount": 7}], "status": "new"}


def played(*steps: Mapping[str, Any], **environ: str) -> Recorder:
    recorder = Recorder()
    list(Script({"merchant": recorder}, environ).play(steps))  # type: ignore[dict-item]
    return recorder


def test_later_request_uses_what_an_earlier_one_was_answered() -> None:
    made = {"name": "intent", "method": "post", "path": "/v1/a", "params": {"who": "${.env:WHO}"}}
    used = {
        "path": "/v1/a/${intent:id}/x",
        "params": {"n": ["${intent:data.0.amount}"], "t": "<${intent:id}>"},
    }

    assert played(made, used, WHO="me").asked == [
        ("POST", "/v1/a", {"who": "me"}),
        ("GET", "/v1/a/id_1/x", {"n": [7], "t": "<id_1>"}),
    ]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"path": "/v1/${intent:id}"}, r"\$\{intent:id\} stands for nothing"),
        ({"path": "/v1/${.env:NOT_SET}"}, "stands for nothing"),
        ({"path": "/v1/${.now:soon}"}, "stands for nothing"),
        ({"path": "/v1/a", "parms": {}}, "does not know 'parms'"),
        (
            {"name": "both", "path": "/v1/a", "form": "/r/x"},
            "both: a step needs one of path, approve and form",
        ),
        ({"path": "/v1/a", "as": "treasury"}, "no key for 'treasury'"),
        ({"path": "/v1/a", "until": {"status": "paid"}, "within": 0}, "waited 0 s for .*paid.* seen .*new"),
    ],
)
def test_step_that_cannot_be_played_says_which_and_why(step: dict[str, Any], why: str) -> None:
    with pytest.raises(CommandFailed, match=why):
        played(step)


@pytest.mark.parametrize("text", ["", "[]", '{"fixtures": 1}', '{"fixtures": [1]}', '{"steps": []}'])
def test_file_that_is_no_list_of_requests_is_refused_with_an_example(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(text)

    assert run(["fixtures", str(file)]) == 2
    assert '{"fixtures": [{' in capsys.readouterr().err


def test_every_event_has_a_trigger_or_the_reason_why_not() -> None:
    found = triggers()

    assert set(found) == {str(each) for each in EventType}
    assert all(found[event].get("not_here") or found[event]["fixtures"] for event in found)


def test_no_event_is_declared_that_nobody_tells() -> None:
    """Told is what some module but the one that names all events names."""
    root = Path(bascule.__file__).parent
    told = "".join(
        path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*.py"))
        if path != root / "domain" / "webhook.py"
    )
    untold = {each for each in EventType if f"EventType.{each.name}" not in told and f'"{each}"' not in told}

    assert untold == set()


def test_events_and_their_triggers_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trigger", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert {"event": "payment_intent.succeeded", "by": "paid"} in listed
    assert run(["trigger", "payout.failed"]) == 2
    assert run(["trigger", "coffee.served"]) == 2
