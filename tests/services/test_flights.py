"""Slow endpoints share a lane of their own; what they can take from quick ones is a second each."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.services.flights import ASKED_SLOW, SLOW_S, Flights, Room, Send


class Sends:
    """Sends that never run: flights only asks which is which."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def new(self) -> Send:
        return self._loop.create_future()  # type: ignore[return-value]

    def close(self) -> None:
        self._loop.close()


def test_a_send_changes_to_the_slow_lane_after_a_second_and_its_endpoint_gets_one_at_a_time() -> None:
    sends, flights = Sends(), Flights(quick_lane=10, slow_lane=5)
    first, second = sends.new(), sends.new()
    flights.begin(first, "we_1", 0.0)
    flights.begin(second, "we_1", 0.0)

    assert flights.room(0.5) == Room(8, 5, ["we_1"], {"we_1": 2}, [])
    assert flights.room(SLOW_S) == Room(10, 3, ["we_1"], {}, [])
    flights.end(first, SLOW_S + 0.1)
    flights.end(second, SLOW_S + 0.1)
    assert flights.room(SLOW_S + 0.1) == Room(10, 5, ["we_1"], {}, ["we_1"])
    sends.close()


def test_an_endpoint_that_answers_quickly_again_is_quick() -> None:
    sends, flights = Sends(), Flights(quick_lane=10, slow_lane=5)
    late, soon = sends.new(), sends.new()
    flights.begin(late, "we_1", 0.0)
    flights.end(late, 3.0)
    flights.begin(soon, "we_1", 3.0)
    assert (len(flights.quick), len(flights.slow)) == (0, 1)
    flights.end(soon, 3.1)

    assert flights.room(3.1) == Room(10, 5, [], {}, [])
    sends.close()


def test_two_thousand_that_hang_pass_a_full_quick_lane_within_a_second() -> None:
    """A tenth of a second after it was filled it is free again, as long as the slow lane has places."""
    sends, flights, now, begun = Sends(), Flights(), 5.0, 0
    while begun < 2_000 and now < 10:
        room = flights.room(now)
        for _ in range(min(room.quick, 2_000 - begun)):
            flights.begin(sends.new(), f"we_{begun}", now)
            begun += 1
        now += 0.125

    assert now <= 6.0
    room = flights.room(now)
    assert (room.aloft, len(room.others), room.slow_endpoints) == (
        {f"we_{n}": 1 for n in range(begun - len(flights.quick), begun)}, 2_000, [],
    )  # fmt: skip
    after = flights.room(now + SLOW_S)
    assert after._replace(others=[]) == Room(256, 0, [], {}, [])
    assert len(after.others) == 2_000
    sends.close()


def test_a_send_that_a_later_one_overtook_leaves_a_full_quick_lane_and_no_other() -> None:
    sends, flights = Sends(), Flights(quick_lane=4, slow_lane=5)
    hangs, steady, later, last = (sends.new() for _ in range(4))
    for send, began in ((hangs, 5.0), (steady, 5.125), (later, 5.25), (last, 5.25)):
        flights.begin(send, f"we_{began}", began)
    flights.end(later, 5.25)
    flights.begin(another := sends.new(), "we_6", 5.25)

    room = flights.room(5.3125)

    assert list(flights.slow) == [hangs, steady]
    assert list(flights.quick) == [last, another]
    assert (room.quick, room.slow) == (2, 3)
    assert room.aloft == {"we_5.25": 1, "we_6": 1}
    flights.end(hangs, 5.5)
    assert flights.room(5.5).aloft == {"we_5.25": 1, "we_6": 1}, "who answered within a second is quick again"
    sends.close()


def test_slow_endpoints_take_turns_while_others_are_sent_to_and_are_all_asked_when_none_is() -> None:
    sends, flights = Sends(), Flights()
    ids = [f"we_{n}" for n in range(ASKED_SLOW + 44)]
    for id in ids:
        flights.begin(send := sends.new(), id, 0.0)
        flights.end(send, 2.0)
    flights.begin(send, "we_quick", 2.0)

    turns = []
    for _ in range(2):
        turns.append((room := flights.room(2.0)).slow_endpoints)
        flights.turned(room, [])
    flights.end(send, 2.1)

    assert turns == [ids[:ASKED_SLOW], (ids + ids)[ASKED_SLOW : 2 * ASKED_SLOW]]
    assert sorted(flights.room(2.1).slow_endpoints) == sorted(ids)
    sends.close()


def test_slow_endpoints_that_no_place_was_left_for_do_not_lose_their_turn() -> None:
    """More than are asked at once, all with something to be sent, and one place: each gets it in its turn."""
    sends, flights, came = Sends(), Flights(slow_lane=1), []
    ids = [f"we_{n}" for n in range(ASKED_SLOW + 44)]
    for id in ids:
        flights.begin(send := sends.new(), id, 0.0)
        flights.end(send, 2.0)
    flights.begin(sends.new(), "we_quick", 2.0)

    for _ in ids:
        room = flights.room(2.0)
        came.append(next_ := room.slow_endpoints[0])
        flights.turned(room, [next_])
        flights.begin(send := sends.new(), next_, 2.0)
        flights.end(send, 4.0)

    assert came == ids
    sends.close()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 0.4), st.booleans()), max_size=200))
def test_both_lanes_together_bound_what_is_in_flight_and_each_end_gives_its_place_back(
    steps: list[tuple[int, float, bool]],
) -> None:
    """Whoever is slow, and whenever: there are never more than both lanes hold, and all room returns."""
    sends, flights, now = Sends(), Flights(quick_lane=6, slow_lane=4), 0.0
    aloft: list[Send] = []
    for number, wait, ends in steps:
        now += wait
        room = flights.room(now)
        endpoint = f"we_{number}"
        slow = endpoint in room.slow_endpoints
        may = endpoint not in room.others or endpoint in room.aloft or slow
        if may and (room.slow if slow else room.quick):
            send = sends.new()
            flights.begin(send, endpoint, now)
            aloft.append(send)
        if ends and aloft:
            flights.end(aloft.pop(number % len(aloft)), now)
        assert len(flights) == len(aloft) <= flights.quick_lane + flights.slow_lane
    for send in aloft:
        flights.end(send, now)
    room = flights.room(now)
    assert (room.quick, room.slow, len(flights)) == (6, 4, 0)
    sends.close()
