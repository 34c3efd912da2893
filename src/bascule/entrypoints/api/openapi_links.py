"""Links of the OpenAPI document: which operations take the id that an answer tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bascule.entrypoints.api.effects import Download, Stream
from bascule.entrypoints.api.operation import Operation
from bascule.entrypoints.api.shape import ListOf

_ID = "{id}"


def links_of(operation: Operation, operations: Sequence[Operation]) -> dict[str, Any]:
    """From what makes, reads or lists objects to every operation on one of them, by its operationId.

    Only where the answer's id is the one in the path, which is where both stand under one collection.
    """
    place = _place_of_id(operation)
    if place is None:
        return {}
    collection = operation.path.removesuffix(f"/{_ID}")
    return {
        other.name: {"operationId": other.name, "parameters": {"id": place}}
        for other in operations
        if other is not operation and _acts_on_one(other, collection)
    }


def _place_of_id(operation: Operation) -> str | None:
    """Where the answer tells the id of an object of the operation's own collection."""
    if isinstance(operation.effect, Download | Stream) or operation.method == "DELETE":
        return None
    shape = operation.returns
    if issubclass(shape, ListOf):
        return None if _ID in operation.path else "$response.body#/data/0/id"
    makes = operation.method == "POST" and _ID not in operation.path
    reads = operation.reads and operation.path.endswith(f"/{_ID}")
    return "$response.body#/id" if (makes or reads) and "id" in shape.model_fields else None


def _acts_on_one(operation: Operation, collection: str) -> bool:
    path = operation.path
    return path.count("{") == 1 and (path == f"{collection}/{_ID}" or path.startswith(f"{collection}/{_ID}/"))
