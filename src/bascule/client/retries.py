"""Whether a request is sent again, and when."""

from __future__ import annotations

from collections.abc import Mapping

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 8.0
LONGEST_RETRY_AFTER_S = 60.0


def again(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the same request may succeed later. headers: with lower-case names.

    409 means two things: an object's state forbids it, or the first request under the key has not ended. The
    API says which by `x-should-retry`.
    """
    if status == 409:
        return headers.get("x-should-retry") == "true"
    return status == 429 or status >= 500


def wait(attempt: int, headers: Mapping[str, str], spread: float) -> float | None:
    """Seconds before attempt `attempt` + 1 (counted from 1); None when the API asks for more than we wait.

    spread: from 0 to 1, takes off up to half, so that clients do not come back together.
    """
    asked = headers.get("retry-after", "")
    if asked.isdecimal() and asked.isascii():
        return float(asked) if float(asked) <= LONGEST_RETRY_AFTER_S else None
    return float(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1)) * (1 - spread / 2))
