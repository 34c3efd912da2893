"""An older version of the API is what each newer one undoes, the newest first."""

from typing import Any

from bascule.domain.versions import API_VERSION, SPOKEN, Version, Versions


def named(shown: dict[str, Any]) -> dict[str, Any]:
    """Before the third version `cost` was called `price`; part of an object need not have it."""
    return {("price" if name == "cost" else name): part for name, part in shown.items()}


FIRST, SECOND, THIRD = "2030-01-01", "2030-06-01", "2031-01-01"
VERSIONS = Versions((
    Version(FIRST),
    Version(SECOND, {"thing": lambda shown: {**shown, "was": [*shown.get("was", []), SECOND]}}),
    Version(THIRD, {"thing": lambda shown: {**shown, "was": [*shown.get("was", []), THIRD]}, "part": named}),
))  # fmt: skip


def test_versions_are_dated_and_the_newest_comes_last() -> None:
    assert list(SPOKEN.dates) == sorted(set(SPOKEN.dates))
    assert SPOKEN.newest == API_VERSION == SPOKEN.dates[-1]
    assert SPOKEN.every[0].undo == {}, "nothing was before the first"


def test_what_each_newer_version_changed_is_undone_the_newest_first() -> None:
    thing = {"object": "thing"}

    shown = {date: VERSIONS.shown(thing, date).get("was") for date in VERSIONS.dates}

    assert shown == {FIRST: [THIRD, SECOND], SECOND: [THIRD], THIRD: None}
    assert VERSIONS.shown(thing, THIRD) is thing
    assert thing == {"object": "thing"}


def test_objects_within_objects_and_lists_are_shown_alike() -> None:
    page = {"object": "list", "data": [{"object": "other", "inner": {"object": "part", "cost": 1}}]}

    assert VERSIONS.shown(page, SECOND) == {
        "object": "list",
        "data": [{"object": "other", "inner": {"object": "part", "price": 1}}],
    }


def test_what_was_told_and_what_is_the_merchants_own_stays_as_it_is() -> None:
    written = {"object": "event", "data": {"object": {"object": "part", "cost": 1}}}
    own = {"object": "other", "metadata": {"object": "part", "cost": "1"}}

    assert VERSIONS.shown({"object": "list", "data": [written, own]}, FIRST)["data"] == [written, own]


def test_what_an_event_says_was_before_has_the_names_of_its_version() -> None:
    now, previous = {"object": "part", "cost": 2, "state": "new"}, {"cost": 1}

    assert VERSIONS.told(now, previous, THIRD) == (now, previous)
    assert VERSIONS.told(now, None, SECOND) == ({"object": "part", "price": 2, "state": "new"}, None)
    assert VERSIONS.told(now, previous, SECOND) == (
        {"object": "part", "price": 2, "state": "new"},
        {"price": 1},
    )
