"""What the API says no with, as classes by `error.type`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Everything this package raises."""


class SignatureInvalid(ClientError):
    """A webhook that is not ours, was changed on its way, or is too old."""


class ConnectionLost(ClientError):
    """No answer came, and trying again did not help: the request may or may not have been done.

    Sending it again under the same `idempotency_key` is safe. idempotency_key: that of the request, if any.
    """

    def __init__(self, message: str, idempotency_key: str | None) -> None:
        super().__init__(message)
        self.idempotency_key = idempotency_key


class ApiError(ClientError):
    """The API refused. code: one of docs/api/errors.md, to decide by; message: for people."""

    def __init__(self, status: int, error: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        super().__init__(f"{error.get('message')} ({status} {error.get('code')})")
        self.status = status
        self.headers = headers
        self.type: str = str(error.get("type"))
        self.code: str = str(error.get("code"))
        self.message: str = str(error.get("message"))
        self.param: str | None = error.get("param")
        self.doc_url: str | None = error.get("doc_url")
        self.next_step: str | None = error.get("next_step")
        self.request_id: str | None = error.get("request_id") or headers.get("request-id")


class InvalidRequestError(ApiError):
    """The request is wrong, or what it names does not exist."""


class IdempotencyError(ApiError):
    """The key belongs to another request, or the first request under it has not ended."""


class AuthenticationError(ApiError):
    """The key is missing, unknown, expired or revoked."""


class PermissionDeniedError(ApiError):
    """The key may not do this."""


class ConflictError(ApiError):
    """The object's state does not allow it."""


class RateLimitError(ApiError):
    """Too many requests, and waiting did not help."""


class ServerError(ApiError):
    """The API's own fault, or it is not ready, and trying again did not help."""


BY_TYPE: Mapping[str, type[ApiError]] = {
    "invalid_request_error": InvalidRequestError,
    "idempotency_error": IdempotencyError,
    "authentication_error": AuthenticationError,
    "permission_error": PermissionDeniedError,
    "conflict_error": ConflictError,
    "rate_limit_error": RateLimitError,
    "api_error": ServerError,
}


def refusal(status: int, body: object, headers: Mapping[str, str]) -> ApiError:
    """The error of an answer; one that is not the API's own (a proxy's page) is judged by its status."""
    found = body.get("error") if isinstance(body, dict) else None
    if not isinstance(found, dict):
        found = {"type": "api_error", "code": "unreadable_answer", "message": f"HTTP {status}"}
    return BY_TYPE.get(str(found.get("type")), ApiError)(status, found, headers)
