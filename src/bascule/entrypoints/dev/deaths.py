"""Planned deaths of a development installation: `BASCULE_FAILPOINTS` shared out among processes and lives."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.services.failpoints import Failpoints, process_of

VARIABLE = "BASCULE_FAILPOINTS"


class Deaths:
    """Where each process is to die: at the failpoints of its list, one after another, until none is left.

    A life that ends otherwise, as when a neighbour is not there yet, leaves its failpoint to the next one.
    """

    def __init__(self, environ: Mapping[str, str], chain_id: int) -> None:
        """Raises: BadConfiguration when the variable cannot be used."""
        self._armed: tuple[tuple[str, int], ...] = ()
        if VARIABLE in environ:
            from bascule.entrypoints import wiring  # heavy, and seldom needed this early

            chains = {"BASCULE_CHAINS": f"{chain_id}=http://localhost"}
            loaded = wiring.load({VARIABLE: environ[VARIABLE], **chains})
            wiring.failpoints(loaded)
            self._armed = loaded.failpoints

    def planned(self, process: str) -> int:
        """How often a process is to die."""
        return sum(process_of(name) == process for name, _ in self._armed)

    def of(self, process: str, *, killed: int) -> tuple[tuple[str, int], ...]:
        """The next failpoint of a process killed that often, with its hit; empty when it is to live."""
        own = tuple(pair for pair in self._armed if process_of(pair[0]) == process)
        return own[killed : killed + 1]

    def failpoints(self, process: str, *, killed: int) -> Failpoints:
        """The same, armed."""
        return Failpoints(dict(self.of(process, killed=killed)))
