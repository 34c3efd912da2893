"""Reading what came over the wire: bodies (JSON or forms with brackets) and query strings, bounded.

Nothing here knows a parameter's meaning; everything refused here is refused before any handler runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, cast
from urllib.parse import unquote_to_bytes

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from bascule.domain import payout_file
from bascule.domain.errors import NotFound, Rejected
from bascule.entrypoints.api.problems import BodyTooLarge, HungUp, UnsupportedMedia

BODY_MAX = 64 * 1024
DEPTH_MAX = 5  # brackets in a form
JSON_DEPTH_MAX = 20
JSON = "application/json"
CSV = "text/csv"
FORM = "application/x-www-form-urlencoded"
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")

P = TypeVar("P", bound=BaseModel)


async def read_body(request: Request) -> tuple[Any, bool]:
    """The decoded body and whether it was a form (whose values are all text)."""
    raw = await _read_capped(request)
    media = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if not raw:
        return {}, False
    if media == FORM:
        return decode_form(raw), True
    if media != JSON:
        raise UnsupportedMedia(
            "content_type_unsupported",
            f"Send the body as {JSON} or {FORM}.",
            next_step=f"Set the header Content-Type: {JSON}.",
        )
    return decode_json(raw), False


async def read_file_or_body(request: Request) -> tuple[Any, bool]:
    """A CSV file as the parameter `csv` among those of the query, or a body as long as a file may be."""
    media = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    raw = await _read_capped(request, payout_file.BYTES_MAX + 1024)
    if media == CSV:
        return {**read_query(request), "csv": payout_file.decode(raw)}, True
    if read_query(request):
        raise Rejected("parameter_unknown", "The query goes with a CSV file only.")
    if media == FORM:
        return decode_form(raw), True
    if media != JSON:
        raise UnsupportedMedia(
            "content_type_unsupported",
            f"Send the file as {CSV}, or the lines as {JSON}.",
            next_step=f"Set the header Content-Type: {CSV}.",
        )
    return decode_json(raw), False


async def _read_capped(request: Request, most: int = BODY_MAX) -> bytes:
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced[:12]) > most:
        raise _too_large(most)
    received = bytearray()
    try:
        async for chunk in request.stream():
            received += chunk
            if len(received) > most:
                raise _too_large(most)
    except ClientDisconnect:
        raise HungUp("body_cut_short", "The connection ended before the body did.") from None
    return bytes(received)


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge("body_too_large", f"This body has at most {most // 1024} KiB.")


def decode_json(raw: bytes) -> Any:
    """The object in a JSON text, bounded and without NUL. Raises: Rejected."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Rejected("body_malformed", f"The body is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise Rejected("body_malformed", "The body must be a JSON object.")
    refuse_strange(value)
    _refuse_twice(raw)
    return value


def _refuse_twice(raw: bytes) -> None:
    """orjson keeps the last of two values without a word. Numbers stay text: only the names matter here."""
    try:
        json.loads(raw, object_pairs_hook=_once_each, parse_int=str, parse_float=str)
    except RecursionError:
        raise Rejected("body_malformed", "The body is nested too deep.") from None


def _once_each(pairs: list[tuple[str, Any]]) -> None:
    """What a name given twice would mean, readers disagree on; a form may not do it either."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            param = name.replace("\x00", "")[:100]
            raise Rejected("parameter_invalid", "The parameter is given twice.", param=param)
        seen.add(name)


def decode_form(raw: bytes) -> dict[str, Any]:
    """`a[b][0]=c` as nested dictionaries; lists are told apart when the parameter's type is known."""
    form: dict[str, Any] = {}
    for pair in raw.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            _place(form, _text(name), _text(value))
    refuse_strange(form)
    return form


def _text(raw: bytes) -> str:
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise Rejected("body_malformed", "The text is not valid UTF-8.") from None


def _place(form: dict[str, Any], name: str, value: str) -> None:
    match = _KEY.fullmatch(name)
    if match is None:
        raise Rejected("parameter_unknown", f"Not a parameter name: {name!r:.70}.", param=name[:100])
    path = [match[1], *_PART.findall(match[2])]
    if len(path) > DEPTH_MAX:
        raise Rejected("parameter_invalid", "Too many brackets.", param=name[:100])
    place = form
    for key in path[:-1]:
        place = place.setdefault(key, {})
        if not isinstance(place, dict):
            raise Rejected("parameter_invalid", "A value and brackets for one name.", param=path[0])
    last = path[-1]
    if last == "":
        last = str(len(place))
    if last in place:
        raise Rejected("parameter_invalid", "The parameter is given twice.", param=path[0])
    place[last] = value


def refuse_strange(value: Mapping[str, Any]) -> None:
    """Raises: Rejected, naming the top parameter that holds a NUL character or is nested too deep."""
    for name, part in value.items():
        waiting: list[tuple[Any, int]] = [(name, 0), (part, 1)]
        while waiting:
            item, depth = waiting.pop()
            if isinstance(item, str) and "\x00" in item:
                param = name.replace("\x00", "")
                raise Rejected("parameter_invalid", "NUL characters are not allowed.", param=param)
            if isinstance(item, dict | list):
                if depth > JSON_DEPTH_MAX:
                    raise Rejected("parameter_invalid", "The value is nested too deep.", param=name)
                parts = [*item.keys(), *item.values()] if isinstance(item, dict) else item
                waiting += [(each, depth + 1) for each in parts]


def read_query(request: Request) -> dict[str, Any]:
    """The query string, decoded like a form."""
    return decode_form(request.scope["query_string"])


def refuse_nul(path: Mapping[str, str]) -> None:
    """Raises: NotFound, naming the part of the path that holds a NUL character."""
    for name, value in path.items():
        if "\x00" in value:
            raise NotFound("resource_missing", "Nothing has such an id.", param=name)


def asked(shape: type[P], request: Request) -> P:
    """The parameters in the query string. Raises: Rejected."""
    if not request.scope["query_string"]:
        return cast("P", _unasked(shape))
    return validated(shape, read_query(request), form=True)


@cache
def _unasked(shape: type[BaseModel]) -> BaseModel:
    """The parameters of who gives none: one object for all of them, as nobody changes parameters."""
    return validated(shape, {}, form=True)


def validated(shape: type[P], value: Any, *, form: bool) -> P:
    """`value` as `shape`. JSON types are taken strictly, a form's text is read. Raises: Rejected."""
    try:
        return shape.model_validate(value, strict=not form, context={"form": form})
    except ValidationError as error:
        raise _rejected(error) from None


def _rejected(error: ValidationError) -> Rejected:
    """The first thing wrong; unknown names come first, since they are most often a misspelt known one."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
    # pydantic's mark for "the name, not the value" is no part of what the client wrote.
    param = ".".join(str(part) for part in first["loc"] if part != "[key]")[:200]
    match first["type"]:
        case "extra_forbidden":
            return Rejected(
                "parameter_unknown",
                f"There is no parameter of this name here: {first['loc'][-1]!s:.70}.",
                param=param,
            )
        case "missing":
            return Rejected("parameter_missing", "This parameter is needed.", param=param)
        case _:
            return Rejected("parameter_invalid", f"{first['msg']}.", param=param or None)
