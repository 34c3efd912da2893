"""What fields and parameters mean: said where they are declared, else by `words.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def words() -> Mapping[str, Any]:
    """The tables of `words.toml`: any, of (by object), parameters."""
    text = files("bascule.entrypoints.api").joinpath("words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def explained(schemas: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The schemas, each field with its description."""
    return {
        name: schema
        if "properties" not in schema
        else schema
        | {"properties": {f: _with(part, _word(name, f)) for f, part in schema["properties"].items()}}
        for name, schema in schemas.items()
    }


def parameter(name: str, declared: Mapping[str, Any]) -> dict[str, str]:
    """The description of a path's or a query's parameter, as a member of it; declared: its schema."""
    told = _own(declared) or words()["parameters"].get(name) or words()["any"].get(name)
    return {"description": told} if told else {}


def _with(part: dict[str, Any], word: str | None) -> dict[str, Any]:
    told = _own(part) or word
    return part | {"description": told} if told else part


def _own(part: Mapping[str, Any]) -> str | None:
    """What its declaration says, of it or of what it is when it is not null."""
    kinds = [part, *(kind for kind in part.get("anyOf", ()) if "$ref" not in kind)]
    return next((str(kind["description"]) for kind in kinds if "description" in kind), None)


def _word(name: str, field: str) -> str | None:
    found: str | None = words()["of"].get(name, {}).get(field) or words()["any"].get(field)
    return found
