"""What the lanes of one process share: how many work at once where the database alone is asked, and looks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bascule.services.together import Together


@dataclass(frozen=True)
class Pace:
    """Lanes that choose their batch, and lanes that take it, at the same time; the others wait their turn.

    Else all lanes choose side by side before the first one asks the signer, which has nothing to do until
    then and is waited for afterwards. Neither is held while a node or the signer is asked: a slow one keeps
    no other lane from its turn. looking: lanes of a vault that open together look at it once.
    """

    choosing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    taking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(3))
    looking: Together = field(default_factory=Together)
