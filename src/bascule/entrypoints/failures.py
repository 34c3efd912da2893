"""How a command ends: the exit codes, and one line what, one line what to do.

0 ok · 1 failed (said why) · 2 usage · 3 not ready or unreachable.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from bascule.domain.errors import BasculeError, Retryable

OK, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3

_NEXT_STEPS = (
    ("socket path", "set BASCULE_SIGNER_SOCKET to a short path in a folder that exists"),
    ("does not listen to this process", "name it in BASCULE_SIGNER_UIDS or BASCULE_SIGNER_CLIENTS there"),
    ("the signer at", "check that `bascule signer` runs, and BASCULE_SIGNER_SOCKET or _ADDRESS and _TLS_…"),
    ("another signer", "stop it, or set BASCULE_SIGNER_SOCKET to another path"),
    ("the node serves chain", "correct BASCULE_CHAINS"),
    ("bascule migrate", "run: bascule migrate"),
    ("other rights", "give this process the database URL of its own role"),
    ("database", "check the database URL (BASCULE_DATABASE_URL…) and that the server runs"),
    ("node", "check the node's URL (BASCULE_CHAINS, or --rpc-url) and that it runs"),
    ("wrong password", "set BASCULE_SIGNER_KEYSTORE_PASSWORD to the keystore's password"),
    ("keystore", "check BASCULE_SIGNER_KEYSTORE"),
)


class CommandFailed(BasculeError):
    """A command has found out why it cannot do its work."""

    def __init__(self, message: str, next_step: str, *, code: int = FAILED) -> None:
        super().__init__(message)
        self.next_step = next_step
        self.exit_code = code


def exit_code_of(error: BaseException) -> int:
    """What a process that ends by this error answers its caller."""
    given = getattr(error, "exit_code", None)
    if isinstance(given, int):
        return given
    return UNREACHABLE if isinstance(error, Retryable) else FAILED


def next_step_of(error: BaseException) -> str:
    """What to do about an error: what it says itself, else what its words suggest."""
    given = getattr(error, "next_step", None)
    if given:
        return str(given)
    text = str(error)
    for words, step in _NEXT_STEPS:
        if words in text:
            return step
    return "run the command again as `bascule --debug …` to see where it happened"


def report(error: BaseException, *, as_json: bool) -> None:
    """Writes the two lines to stderr; as JSON, one object."""
    text = str(error) if isinstance(error, BasculeError) else f"{type(error).__name__}: {error}"
    lines: dict[str, Any] = {"error": " ".join(text.split()), "next_step": next_step_of(error)}
    if as_json:
        sys.stderr.write(json.dumps({"event": "failed", **lines, "code": exit_code_of(error)}) + "\n")
    else:
        sys.stderr.write(f"bascule: {lines['error']}\n         {lines['next_step']}\n")
