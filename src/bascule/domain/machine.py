"""State machines as tables: what is not in the table is refused.

The table is the one truth; the diagrams in docs/states.md and the exhaustive tests are made from
it, and storage moves a state only along it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

from bascule.domain.errors import Conflict

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class Move(NamedTuple, Generic[S, E]):
    """One line of a table."""

    source: S
    event: E
    target: S


class TransitionRefused(Conflict):
    """The event is not allowed in the state. sources: where it would be."""

    def __init__(self, *, machine: str, state: str, event: str, sources: Collection[str]) -> None:
        allowed = " or ".join(sorted(sources)) or "no state"
        super().__init__(
            f"{machine}_unexpected_state",
            f"The {machine.replace('_', ' ')} is {state}; {event} needs it to be {allowed}.",
        )
        self.machine = machine
        self.state = state
        self.event = event
        self.sources = frozenset(sources)


@dataclass(frozen=True)
class Machine(Generic[S, E]):
    """A table of moves; each (state, event) has one target or is refused.

    initial: the states an object may be born in; sentences: what each state means, one sentence.
    A machine that has an unreachable state, an unused event or a state without a sentence cannot be
    made.
    """

    name: str
    states: type[S]
    events: type[E]
    initial: tuple[S, ...]
    table: Mapping[tuple[S, E], S]
    sentences: Mapping[S, str]

    def __post_init__(self) -> None:
        reached = {*self.initial, *self.table.values()}
        assert reached == set(self.states), f"{self.name}: unreachable {set(self.states) - reached}"
        used = {event for _, event in self.table}
        assert used == set(self.events), f"{self.name}: unused {set(self.events) - used}"
        assert set(self.sentences) == set(self.states), f"{self.name}: a sentence for each state"

    @cached_property
    def finals(self) -> frozenset[S]:
        """The states nothing leaves."""
        return frozenset(self.states) - {state for state, _ in self.table}

    @property
    def moves(self) -> Iterator[Move[S, E]]:
        """Every line of the table, in its order."""
        return (Move(source, event, target) for (source, event), target in self.table.items())

    def step(self, state: S, event: E) -> S:
        """The state after `event`. Raises: TransitionRefused."""
        target = self.table.get((state, event))
        if target is None:
            raise TransitionRefused(machine=self.name, state=state, event=event, sources=self.sources(event))
        return target

    def may(self, state: S, event: E) -> bool:
        """Whether `event` is allowed in `state`."""
        return (state, event) in self.table

    def sources(self, event: E) -> frozenset[S]:
        """The states `event` is allowed in."""
        return frozenset(source for source, allowed in self.table if allowed == event)

    def targets(self, event: E) -> frozenset[S]:
        """The states `event` may lead to."""
        return frozenset(target for (_, cause), target in self.table.items() if cause == event)
