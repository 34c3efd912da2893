"""How many files and connections this process may have open: what the system grants it, not less."""

from __future__ import annotations

import resource

ENOUGH = 65_536  # more than any process of ours opens; a limit of a billion makes some libraries slow


def raise_limit() -> int:
    """How many there may be; the soft limit is raised to the hard one before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    granted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= granted:
        return ENOUGH if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    return granted
