"""Who may send how many webhooks at once, so that slow endpoints take no quick endpoint's turn.

There are two lanes. A send counts in the quick lane until it takes longer than a second, then in the slow
one; an endpoint whose last answer took so long, or that has such a send in flight, gets one send at a time
and only from the slow lane. However many endpoints hang, what they can take from the quick lane is one
second for each send of an endpoint that was quick until then. Both lanes together bound the memory.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

SLOW_S = 1.0
QUICK_LANE, SLOW_LANE = 256, 2_000
PER_ENDPOINT, PER_SLOW_ENDPOINT = 8, 1
OTHERS = 512  # connections and files that are no sends
REMEMBERED = 20_000  # slow endpoints, the latest; a forgotten one is slow again after a second

Send = asyncio.Task[object]


class Flight(NamedTuple):
    """A send in flight. began: seconds of the loop's clock."""

    endpoint_id: str
    began: float


class Room(NamedTuple):
    """How many sends may begin. left: of endpoints that may begin fewer than the others."""

    quick: int
    slow: int
    slow_endpoints: list[str]
    left: dict[str, int]


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
    _aloft: Counter[str] = field(default_factory=Counter)
    _slow_endpoints: OrderedDict[str, None] = field(default_factory=OrderedDict)

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
        self._aloft[flight.endpoint_id] -= 1
        if not self._aloft[flight.endpoint_id]:
            del self._aloft[flight.endpoint_id]
        if now - flight.began >= SLOW_S:
            self._remember(flight.endpoint_id)
        else:
            self._slow_endpoints.pop(flight.endpoint_id, None)

    def room(self, now: float) -> Room:
        """What may begin now."""
        self._change_lanes(now)
        beyond = max(0, len(self.slow) - self.slow_lane)
        left = {id: max(0, PER_ENDPOINT - aloft) for id, aloft in self._aloft.items()}
        for id in self._slow_endpoints:
            left[id] = max(0, PER_SLOW_ENDPOINT - self._aloft[id])
        return Room(
            max(0, self.quick_lane - len(self.quick) - beyond),
            max(0, self.slow_lane - len(self.slow)),
            list(self._slow_endpoints),
            left,
        )

    def _change_lanes(self, now: float) -> None:
        late = []
        for send, flight in self.quick.items():
            if now - flight.began < SLOW_S:
                break
            late.append(send)
        for send in late:
            self.slow[send] = flight = self.quick.pop(send)
            self._remember(flight.endpoint_id)

    def _remember(self, endpoint_id: str) -> None:
        self._slow_endpoints[endpoint_id] = None
        self._slow_endpoints.move_to_end(endpoint_id)
        if len(self._slow_endpoints) > REMEMBERED:
            self._slow_endpoints.popitem(last=False)
