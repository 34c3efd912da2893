"""What commands print for people and for programs."""

import json

import pytest

from bascule.entrypoints.cli.output import rows


def test_what_is_not_there_is_a_dash_for_people_and_null_for_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = [{"seals": 6, "anchored": None, "wrong": ""}]

    rows(found, as_json=False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["seals", "anchored", "wrong"],
        ["6", "-"],
    ]
    rows(found, as_json=True)
    assert json.loads(capsys.readouterr().out) == found[0]


def test_people_read_times_and_programs_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    found = [{"created": 1_795_000_000, "ended_at": None, "rows": 1_795_000_000, "at": 7}]

    rows(found, as_json=False)
    assert capsys.readouterr().out.splitlines()[1].split() == ["2026-11-18T11:06:40Z", "-", "1795000000", "7"]
    rows(found, as_json=True)
    assert json.loads(capsys.readouterr().out) == found[0]
