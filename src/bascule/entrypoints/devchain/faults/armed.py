"""The faults that are set now: whom each hits next, and how often it did."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from bascule.entrypoints.devchain.errors import invalid_params
from bascule.entrypoints.devchain.faults.vocabulary import Fault, parse

Head = Callable[[], Awaitable[int]]


@dataclass
class Armed:
    """One fault that is set. calls: how many it could have hit; hits: how many it did."""

    id: int
    fault: Fault
    clock: Callable[[], float]
    calls: int = 0
    hits: int = 0
    seen_head: int | None = None  # where `for_blocks` counts from
    stands_at: int | None = None  # where a stale head stands
    over: bool = False
    set_at: float = field(init=False)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.set_at = self.clock()
        self.chance = random.Random(self.fault.seed)  # noqa: S311  # repeatable on purpose

    @property
    def kind(self) -> str:
        return self.fault.kind.name

    @property
    def timed_out(self) -> bool:
        """Whether its seconds are over."""
        lasts = self.fault.for_seconds
        return lasts is not None and self.clock() - self.set_at >= lasts

    def draw(self) -> bool:
        """Whether the next call it concerns is hit. Counts it."""
        self.calls += 1
        drawn = self.fault.chance == 1 or self.chance.random() < self.fault.chance
        spent = self.fault.times is not None and self.hits >= self.fault.times
        hit = drawn and not spent and self.calls > self.fault.skip
        self.hits += hit
        return hit

    def shown(self) -> dict[str, Any]:
        """As `bascule_faults` lists it."""
        spent = (
            self.over or self.timed_out or (self.fault.times is not None and self.hits >= self.fault.times)
        )
        return {"id": self.id, **self.fault.shown(), "calls": self.calls, "hits": self.hits, "spent": spent}


@dataclass(frozen=True)
class Strike:
    """A fault that hits these places of one exchange, for the `number`-th time."""

    armed: Armed
    places: frozenset[int]
    number: int

    @property
    def kind(self) -> str:
        return self.armed.kind

    def __getitem__(self, name: str) -> Any:
        return self.armed.fault.values[name]


class Faults:
    """What is set, in order. second_node: whether a fault may name another node's URL; clock: in seconds."""

    def __init__(self, *, second_node: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._second_node = second_node
        self._clock = clock
        self._armed: dict[int, Armed] = {}
        self._numbers = itertools.count(1)

    def __bool__(self) -> bool:
        return bool(self._armed)

    def set(self, specification: object) -> int:
        """Sets a fault and returns its number. Raises RpcError (invalid params), and then sets nothing."""
        fault = parse(specification, second_node=self._second_node)
        number = next(self._numbers)
        self._armed[number] = Armed(number, fault, self._clock)
        return number

    def clear(self, ids: object = None) -> list[int]:
        """Ends these faults, or all; returns their numbers. Raises RpcError when one is not set."""
        if ids is None:
            ids = list(self._armed)
        if not isinstance(ids, list) or not all(type(number) is int for number in ids):
            raise invalid_params("ids: a list of the numbers that bascule_setFault gave is needed")
        for number in ids:
            if number not in self._armed:
                raise invalid_params(f"ids: no fault {number} is set")
        return [number for number in dict.fromkeys(ids) if self._armed.pop(number)]

    def listed(self) -> list[dict[str, Any]]:
        """Every fault that is set, those that are spent among them."""
        return [armed.shown() for armed in self._armed.values()]

    async def strike(self, methods: Sequence[str], head: Head, *, batch: bool = False) -> list[Strike]:
        """Returns which faults hit an exchange of these methods, and where. Counts calls and hits."""
        strikes = []
        for armed in list(self._armed.values()):
            concerned = [at for at, method in enumerate(methods) if armed.fault.concerns(method)]
            if armed.fault.kind.batches and not batch:
                continue
            if not concerned or await _is_over(armed, head):
                continue
            if armed.fault.kind.whole:
                places: Collection[int] = concerned if armed.draw() else ()
            else:
                places = [at for at in concerned if armed.draw()]
            if places:
                strikes.append(Strike(armed, frozenset(places), armed.hits))
        return strikes


async def _is_over(armed: Armed, head: Head) -> bool:
    """Whether the chain has grown past a fault's `for_blocks`, counted from the first call it concerned,
    or its time is over.
    """
    armed.over |= armed.timed_out
    if armed.over or armed.fault.for_blocks is None:
        return armed.over
    now = await head()
    if armed.seen_head is None:
        armed.seen_head = now
    armed.over = now >= armed.seen_head + armed.fault.for_blocks
    return armed.over
