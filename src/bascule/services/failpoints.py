"""Named places where a process may be killed, so that tests can ask what a crash right there leaves behind.

A failpoint stands on each side of every commit and send that matters. In production nothing is armed and
`hit` only looks into an empty mapping.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

FAILPOINTS: tuple[str, ...] = (
    "api.before_commit",
    "api.after_commit",
    "api.before_response",
    "watcher.before_commit",
    "watcher.after_commit",
    "watcher.before_finalize_commit",
    "watcher.after_finalize_commit",
    "sequencer.before_commit",
    "sequencer.after_commit",
    "dispatcher.before_send",
    "dispatcher.after_send",
    "submitter.after_reserve",
    "submitter.after_sign",
    "submitter.after_save",
    "submitter.after_send",
    "submitter.before_final_commit",
    "submitter.after_final_commit",
    "signer.after_intent_commit",
    "signer.before_bytes_commit",
    "signer.after_bytes_commit",
)
_KNOWN = frozenset(FAILPOINTS)


class Failpoints:
    """Kills its own process by SIGKILL at the n-th hit of an armed name; nothing cleans up, as in a crash."""

    def __init__(self, armed: Mapping[str, int]) -> None:
        """`armed`: name → on which hit (1 is the first) the process dies."""
        for name, nth in armed.items():
            _refuse_unknown(name)
            if nth < 1:
                raise ValueError(f"failpoint {name} is armed for hit {nth}; the first hit is 1")
        self._left = dict(armed)

    def hit(self, name: str) -> None:
        """Marks that the process is at the named place; an unlisted name is an error, armed or not."""
        _refuse_unknown(name)
        if name not in self._left:
            return
        self._left[name] -= 1
        if self._left[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _refuse_unknown(name: str) -> None:
    if name not in _KNOWN:
        raise ValueError(f"no failpoint is named {name!r}; list it in FAILPOINTS")


NO_FAILPOINTS = Failpoints({})
