"""Whose trace a request belongs to: the `traceparent` of the caller, in every line we log about it."""

from __future__ import annotations

import re

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_NONE = "0" * 32


def trace_id(headers: list[tuple[bytes, bytes]]) -> str | None:
    """The trace's id, or none where no header says one as W3C Trace Context §3.2 wants it."""
    for name, value in headers:
        if name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
            found = match[1].decode()
            return None if found == _NONE or value.startswith(b"ff") else found
    return None
