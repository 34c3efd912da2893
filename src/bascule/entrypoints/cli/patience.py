"""What commands that follow the API do while it is away."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


def passing() -> tuple[type[Exception], ...]:
    """What passes; a stream that broke may be counted for a moment yet, so too many of them pass too."""
    from bascule.client import ConflictError, ConnectionLost, RateLimitError, ServerError

    return (ConnectionLost, ServerError, RateLimitError, ConflictError)


@dataclass
class Patience:
    """failures: since the API answered last."""

    failures: int = 0

    def wait(self, error: Exception) -> Iterator[dict[str, Any]]:
        """Waits as long as the API asks for, else longer each time; one line when it goes."""
        from bascule.client import retries

        self.failures += 1
        if self.failures == 1:
            yield {"event": "waiting", "error": str(error)}
        headers: Mapping[str, str] = getattr(error, "headers", {})
        pause = retries.wait(self.failures, headers, random.random())  # noqa: S311 - spreads retries
        time.sleep(float(headers["retry-after"]) if pause is None else pause)


def in_words(told: Mapping[str, Any]) -> str:
    """That line for people."""
    return f"{time.strftime('%H:%M:%S')}  the API does not answer, still asking: {told['error']}"
