"""JSON-RPC 2.0 whatever carries it: requests, batches and notifications; no input makes it fail."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import orjson

from bascule.entrypoints.devchain.errors import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    RESPONSE_TOO_LARGE,
    SERVER_ERROR,
    RpcError,
)

# geth's limits: 5 MiB of body, 1,000 requests in a batch, 25 MB of answers to a batch.
MAX_BODY = 5 * 1024 * 1024
MAX_BATCH = 1_000
MAX_BATCH_ANSWERS = 25_000_000
log = logging.getLogger(__name__)
Call = Callable[[str, list[Any]], Awaitable[Any]]


def parsed(body: str | bytes) -> Any:
    """Returns what the JSON says; raises `RpcError`."""
    try:
        # py-evm raises the recursion limit so far that msgspec overflows the stack on 100,000 open brackets;
        # orjson has a bound of its own.
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RpcError(PARSE_ERROR, "parse error") from error


async def answer_to(body: str | bytes, call: Call) -> bytes | None:
    """Returns the JSON that answers `body`, or None where only notifications came."""
    try:
        answer = await dispatch(parsed(body), call)
    except RpcError as error:
        answer = failure(None, error)
    return None if answer is None else msgspec.json.encode(answer)


async def dispatch(body: Any, call: Call) -> Any:
    """Returns one answer, a list of them, or None where only notifications came."""
    if not isinstance(body, list):
        return await _single(body, call)
    if not body:
        return failure(None, RpcError(INVALID_REQUEST, "empty batch"))
    if len(body) > MAX_BATCH:
        return failure(None, RpcError(INVALID_REQUEST, f"batch too large: at most {MAX_BATCH} requests"))
    return await _batch(body, call) or None


async def _batch(requests: list[Any], call: Call) -> list[Any]:
    """Answers in order; once the answers are too large, what is left is refused and not carried out."""
    answers: list[Any] = []
    size = 0
    for request in requests:
        if size > MAX_BATCH_ANSWERS:
            answer: Any = _unanswered(request)
        else:
            answer = await _single(request, call)
        if answer is not None:
            answers.append(msgspec.Raw(msgspec.json.encode(answer)))
            size += len(memoryview(answers[-1]))
    return answers


def _unanswered(request: Any) -> dict[str, Any] | None:
    if not isinstance(request, dict) or "id" not in request:
        return None
    known = request["id"] if isinstance(request["id"], str | int | float) else None
    return failure(known, RpcError(RESPONSE_TOO_LARGE, "response too large"))


async def _single(request: Any, call: Call) -> dict[str, Any] | None:
    if not isinstance(request, dict):
        return failure(None, RpcError(INVALID_REQUEST, "invalid request"))
    request_id = request.get("id")
    if isinstance(request_id, bool | list | dict):
        return failure(None, RpcError(INVALID_REQUEST, "invalid id"))
    name, arguments = request.get("method"), request.get("params", [])
    if request.get("jsonrpc") != "2.0" or not isinstance(name, str):
        return failure(
            request_id, RpcError(INVALID_REQUEST, 'invalid request: "jsonrpc": "2.0" and a method are needed')
        )
    if not isinstance(arguments, list):
        if arguments is not None:
            return failure(request_id, RpcError(INVALID_PARAMS, "non-array args"))
        arguments = []
    answer = await _answer(request_id, name, arguments, call)
    return answer if "id" in request else None


async def _answer(request_id: Any, name: str, arguments: list[Any], call: Call) -> dict[str, Any]:
    try:
        result = await call(name, arguments)
    except RpcError as error:
        return failure(request_id, error)
    except Exception as error:
        log.exception("%s failed", name)
        return failure(request_id, RpcError(SERVER_ERROR, f"internal error: {type(error).__name__}"))
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def failure(request_id: Any, error: RpcError) -> dict[str, Any]:
    """Returns the answer that carries an error."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return {"jsonrpc": "2.0", "id": request_id, "error": body}
