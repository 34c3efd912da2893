"""From which amounts which jurisdiction asks for what: `thresholds.toml`, or a file of that form."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from bascule.domain.errors import Rejected
from bascule.domain.report import Direction, Period, Threshold

_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_WORDS = ("jurisdiction", "amount", "currency", "period", "direction", "asks", "source")


def thresholds(file: Path | None = None) -> tuple[Threshold, ...]:
    """The rules, in the order of the file.

    Raises: Rejected `thresholds_invalid`, which names the line or entry that is wrong.
    """
    try:
        text = file.read_text(encoding="utf-8") if file else _ours()
        found = tomllib.loads(text)
    except OSError as error:
        raise _wrong(f"{file} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _wrong(f"{file} is no TOML: {error}.") from None
    worth = _worth(found.pop("worth", {}))
    if not found:
        raise _wrong("The file names no threshold.")
    return tuple(_threshold(name, entry, worth) for name, entry in found.items())


def _ours() -> str:
    return files("bascule").joinpath("thresholds.toml").read_text(encoding="utf-8")


def _threshold(name: str, entry: Any, worth: Mapping[str, Mapping[str, str]]) -> Threshold:
    if not isinstance(entry, dict) or entry.keys() != {*_WORDS, "exceeds"}:
        raise _wrong(f"[{name}] has {', '.join(_WORDS)} and exceeds, nothing else.")
    if not all(isinstance(entry[word], str) and entry[word] for word in _WORDS):
        raise _wrong(f"[{name}]: all but exceeds are texts.")
    if not isinstance(entry["exceeds"], bool):
        raise _wrong(f"[{name}]: exceeds is true or false.")
    if not _AMOUNT.fullmatch(entry["amount"]):
        raise _wrong(f"[{name}]: amount is a decimal number, such as 1000.00.")
    for word, known in (("period", Period), ("direction", Direction)):
        if entry[word] not in set(known):
            raise _wrong(f"[{name}]: {word} is {' or '.join(known)}.")
    return Threshold(
        rule=name,
        jurisdiction=entry["jurisdiction"],
        threshold=entry["amount"],
        threshold_currency=entry["currency"],
        period=Period(entry["period"]),
        direction=Direction(entry["direction"]),
        exceeds=entry["exceeds"],
        worth={each: rates[entry["currency"]] for each, rates in worth.items() if entry["currency"] in rates},
        asks=entry["asks"],
        source=entry["source"],
    )


def _worth(found: Any) -> Mapping[str, Mapping[str, str]]:
    if not isinstance(found, dict):
        raise _wrong("[worth] names currencies.")
    for name, rates in found.items():
        fine = isinstance(rates, dict) and all(
            isinstance(each, str) and _AMOUNT.fullmatch(each) for each in rates.values()
        )
        if not fine:
            raise _wrong(f"[worth] {name}: decimal numbers as texts, by currency.")
    return found


def _wrong(message: str) -> Rejected:
    return Rejected("thresholds_invalid", message)
