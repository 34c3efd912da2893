"""Which account of a general ledger is which of ours: `general_ledger.toml`, or a file of that form."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from bascule.domain.errors import Rejected


def accounts(file: Path | None = None) -> dict[str, tuple[str, str]]:
    """(number, name) by the code of an account of ours, or its beginning up to a colon.

    Raises: Rejected `general_ledger_invalid`, which names the line or entry that is wrong.
    """
    try:
        text = file.read_text(encoding="utf-8") if file else _ours()
        found = tomllib.loads(text)
    except OSError as error:
        raise Rejected("general_ledger_invalid", f"{file} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Rejected("general_ledger_invalid", f"{file} is no TOML: {error}.") from None
    return {code: _account(code, entry) for code, entry in found.items()}


def _ours() -> str:
    return files("bascule").joinpath("general_ledger.toml").read_text(encoding="utf-8")


def _account(code: str, entry: Any) -> tuple[str, str]:
    if not isinstance(entry, dict) or entry.keys() != {"number", "name"}:
        raise Rejected("general_ledger_invalid", f"[{code}] needs a number and a name, nothing else.")
    number, name = entry["number"], entry["name"]
    if not (isinstance(number, str) and number and isinstance(name, str) and name):
        raise Rejected("general_ledger_invalid", f"The number and name of [{code}] are texts.")
    return number, name
