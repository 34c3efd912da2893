"""Who may send how many webhooks at once, so that slow endpoints take no quick endpoint's turn.

There are two lanes. A send counts in the quick lane until it takes longer than a second, then in the slow
one; an endpoint whose last answer took so long, or that has such a send in flight, gets one send at a time
and only from the slow lane. However many endpoints hang, what they can take from the quick lane is one
second for each send of an endpoint that was quick until then. When less than a quarter of the quick lane is
free, a send leaves it as soon as one that began a tenth of a second later has ended, or after a tenth of a
second in which none has, if the slow lane has a place: its endpoint gets no second send until it answers.
Both lanes together bound the memory.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import NamedTuple

SLOW_S = 1.0
LATE_S = 0.1
QUICK_LANE, SLOW_LANE = 256, 2_000
PER_ENDPOINT, PER_SLOW_ENDPOINT = 8, 1
ASKED_SLOW = 256  # slow endpoints that are asked at once whether something is due, while others are sent to
OTHERS = 512  # connections and files that are no sends
REMEMBERED = 20_000  # slow endpoints, the latest; a forgotten one is slow again after a second

Send = asyncio.Task[object]


class Flight(NamedTuple):
    """A send in flight. began: seconds of the loop's clock."""

    endpoint_id: str
    began: float


class Free(NamedTuple):
    """How many sends may begin in each lane."""

    quick: int
    slow: int


class Room(NamedTuple):
    """What may begin. quick, slow: how many sends in each lane.

    others: endpoints of which no first delivery is sent now; aloft: how many sends are in flight to those of
    them that may get more; slow_endpoints: those whose turn in the slow lane it is.
    """

    quick: int
    slow: int
    others: list[str]
    aloft: dict[str, int]
    slow_endpoints: list[str]


class Lanes(NamedTuple):
    """How many sends there may be in each lane."""

    quick: int
    slow: int


def fitting(connections: int, slow: int) -> Lanes:
    """What fits into so many connections, of which each send has one. slow: wanted in that lane.

    Some are left for those kept open between sends, the database, nodes and logs.
    """
    left = max(2, connections - OTHERS)
    quick = min(QUICK_LANE, left // 2)
    return Lanes(quick, min(slow, left - quick))


@dataclass
class Flights:
    """The sends in flight. quick_lane, slow_lane: how many there may be."""

    quick_lane: int = QUICK_LANE
    slow_lane: int = SLOW_LANE
    quick: dict[Send, Flight] = field(default_factory=dict)  # in the order they began, as dictionaries are
    slow: dict[Send, Flight] = field(default_factory=dict)
    _late: dict[Send, Flight] = field(default_factory=dict)  # of those in the slow lane, in their order
    _aloft: Counter[str] = field(default_factory=Counter)
    _slow_endpoints: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _ended_at: float = 0.0  # the last one
    _newest_ended: float = 0.0  # when it began

    def __len__(self) -> int:
        return len(self.quick) + len(self.slow)

    def begin(self, send: Send, endpoint_id: str, now: float) -> None:
        """A send begins."""
        lane = self.slow if endpoint_id in self._slow_endpoints else self.quick
        lane[send] = Flight(endpoint_id, now)
        self._aloft[endpoint_id] += 1

    def end(self, send: Send, now: float) -> None:
        """A send has ended; how long it took says what its endpoint is."""
        flight = self.quick.pop(send, None) or self.slow.pop(send)
        self._late.pop(send, None)
        self._aloft[flight.endpoint_id] -= 1
        if not self._aloft[flight.endpoint_id]:
            del self._aloft[flight.endpoint_id]
        if now - flight.began >= SLOW_S:
            self._remember(flight.endpoint_id)
            return
        self._slow_endpoints.pop(flight.endpoint_id, None)
        self._ended_at, self._newest_ended = now, max(self._newest_ended, flight.began)

    def free(self, now: float) -> Free:
        """How many sends may begin now."""
        self._change_lanes(now)
        beyond = max(0, len(self.slow) - self.slow_lane)
        return Free(
            max(0, self.quick_lane - len(self.quick) - beyond), max(0, self.slow_lane - len(self.slow))
        )

    def room(self, now: float) -> Room:
        """What may begin now. Slow endpoints take turns, which `turned` ends."""
        free = self.free(now)
        waits = {flight.endpoint_id for flight in self._late.values()} | self._slow_endpoints.keys()
        aloft = {id: n for id, n in self._aloft.items() if n < PER_ENDPOINT and id not in waits}
        idle = (id for id in self._slow_endpoints if id not in self._aloft)
        most = ASKED_SLOW if self._aloft else REMEMBERED
        asked = list(islice(idle, most)) if free.slow else []
        return Room(*free, [*(waits | self._aloft.keys())], aloft, asked)

    def turned(self, room: Room, taken: Collection[str]) -> None:
        """Slow endpoints that were asked wait behind the others; who found no place left keeps its turn.

        taken: endpoints that something is sent to.
        """
        turns = room.slow_endpoints
        places = [n for n, id in enumerate(turns) if id in taken]
        if places and len(places) >= room.slow:
            turns = turns[: places[-1] + 1]
        for id in turns:
            if id in self._slow_endpoints:
                self._slow_endpoints.move_to_end(id)

    def _change_lanes(self, now: float) -> None:
        for send in _begun(self.quick, now - SLOW_S):
            self.slow[send] = flight = self.quick.pop(send)
            self._remember(flight.endpoint_id)
        for send in _begun(self._late, now - SLOW_S):
            self._remember(self._late.pop(send).endpoint_id)
        if len(self.quick) <= self.quick_lane - self.quick_lane // 4:
            return
        passed_by = now if now - self._ended_at >= LATE_S else self._newest_ended
        late = _begun(self.quick, passed_by - LATE_S)
        for send in late[: max(0, self.slow_lane - len(self.slow))]:
            self.slow[send] = self._late[send] = self.quick.pop(send)

    def _remember(self, endpoint_id: str) -> None:
        self._slow_endpoints[endpoint_id] = None
        self._slow_endpoints.move_to_end(endpoint_id)
        if len(self._slow_endpoints) > REMEMBERED:
            self._slow_endpoints.popitem(last=False)


def _begun(flights: Mapping[Send, Flight], until: float) -> list[Send]:
    """Those that began by then."""
    return [send for send, _ in takewhile(lambda each: each[1].began <= until, flights.items())]
