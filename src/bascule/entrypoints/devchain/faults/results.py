"""What bends one result: pure functions of the true result and a fault's values.

A result that is not of the expected shape (null, another type) stays as it is: there is nothing to bend.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bascule.domain.hashing import keccak

Values = Mapping[str, Any]


def another(value: object) -> Any:
    """Returns a false value of the same spelling: other bytes of the same length, or the next number."""
    if isinstance(value, str) and value.startswith("0x"):
        if len(value) % 2 == 0 and len(value) > 18:
            raw = bytes.fromhex(value[2:])
            blocks = (keccak(raw + bytes([at])) for at in range(len(raw) // 32 + 1))
            return "0x" + b"".join(blocks)[: len(raw)].hex()
        return hex(int(value[2:] or "0", 16) + 1)
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else "0x"


def _places(entries: list[Any], values: Values) -> list[int]:
    """Returns the places of a list that a fault concerns: all, or those of one block."""
    height = values.get("block")
    if height is None:
        return list(range(len(entries)))
    return [at for at, entry in enumerate(entries) if _height(entry) == height]


def _height(entry: Any) -> int | None:
    number = entry.get("blockNumber") if isinstance(entry, dict) else None
    return int(number, 16) if isinstance(number, str) else None


def _without(entries: list[Any], places: list[int]) -> list[Any]:
    gone = set(places)
    return [entry for at, entry in enumerate(entries) if at not in gone]


def empty(entries: list[Any], values: Values) -> list[Any]:
    return _without(entries, _places(entries, values))


def truncate(entries: list[Any], values: Values) -> list[Any]:
    return _without(entries, _places(entries, values)[-values["drop"] :])


def omit(entries: list[Any], values: Values) -> list[Any]:
    places = _places(entries, values)
    at = values["index"]
    return _without(entries, [places[at]]) if -len(places) <= at < len(places) else entries


def duplicate(entries: list[Any], values: Values) -> list[Any]:
    twice = set(_places(entries, values))
    return [entry for at, entry in enumerate(entries) for entry in [entry] * (1 + (at in twice))]


def reorder(entries: list[Any], values: Values) -> list[Any]:
    return entries[::-1]


def bend(result: Any, values: Values) -> Any:
    """One field of an object, or of one entry of a list."""
    if isinstance(result, dict):
        return _bent(result, values)
    at = values["index"]
    if not isinstance(result, list) or not -len(result) <= at < len(result):
        return result
    bent = list(result)
    bent[at] = _bent(result[at], values)
    return bent


def _bent(entry: Any, values: Values) -> Any:
    field = values["field"]
    if not isinstance(entry, dict) or field not in entry:
        return entry
    value = another(entry[field]) if values["value"] is None else values["value"]
    return {**entry, field: value}


def wrong_hash(block: Any, values: Values) -> Any:
    return bend(block, {**values, "value": None}) if isinstance(block, dict) else block


def wrong_chain(result: Any, values: Values) -> Any:
    in_hex = isinstance(result, str) and result.startswith("0x")
    return hex(values["chain_id"]) if in_hex else str(values["chain_id"])


def null(result: Any, values: Values) -> Any:
    return None


Bend = Callable[[Any, Values], Any]


def _of_lists(bend_list: Callable[[list[Any], Values], list[Any]]) -> Bend:
    return lambda result, values: bend_list(result, values) if isinstance(result, list) else result


RESULTS: dict[str, Bend] = {
    "empty": _of_lists(empty),
    "truncate": _of_lists(truncate),
    "omit": _of_lists(omit),
    "duplicate": _of_lists(duplicate),
    "reorder": _of_lists(reorder),
    "bend": bend,
    "wrong_hash": wrong_hash,
    "wrong_chain": wrong_chain,
    "null": null,
}
