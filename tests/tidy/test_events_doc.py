"""docs/api/events.md names every event type, who hears it, when, and what brings it about."""

from bascule.domain.webhook import EventType
from bascule.entrypoints import docs_events
from bascule.entrypoints.cli.scripting import triggers
from tests.support.source import ROOT


def test_events_page_is_in_step_with_the_event_types() -> None:
    page = (ROOT / docs_events.TARGET).read_text(encoding="utf-8")

    assert page == docs_events.render(), "run `make docs`"
    assert [str(each) for each in EventType if f"| `{each}` |" not in page] == []


def test_every_event_type_is_said_once_and_nothing_else_is() -> None:
    named = [event for words in docs_events.said().values() for event in words]

    assert sorted(named) == sorted(EventType)
    assert docs_events.said().keys() == docs_events._HEARD.keys()


def test_what_a_merchants_trigger_tells_is_not_said_to_be_the_operators_alone() -> None:
    told_to = {event: found["told_to"] for event, found in triggers().items() if "by" in found}

    assert len(told_to) > 50
    assert [event for event in docs_events.said()["operator"] if told_to.get(event) == "merchant"] == []
