"""What an invariant is: what holds, and how to ask whether it does."""

from dataclasses import dataclass
from functools import cached_property

from bascule.storage.queries import Queries

MOST = 100  # wrong rows named per query


@dataclass(frozen=True)
class Check:
    """An invariant: its short name, what holds, and the queries of a noun that find what contradicts it.

    A query that reads once for several says of which each row is, in the column `invariant`.
    """

    name: str
    holds: str
    noun: str
    queries: tuple[str, ...]

    @cached_property
    def asked(self) -> Queries:
        """The file of its noun."""
        return Queries(self.noun, package=__package__)


@dataclass(frozen=True)
class Wrong:
    """A row that contradicts an invariant, and what was found there."""

    check: Check
    subject: str
    found: str

    def __str__(self) -> str:
        return f"{self.check.name} {self.check.holds}: {self.subject} {self.found}"
