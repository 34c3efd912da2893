"""The merchant's side of the API for tests: real HTTP, the API's own words when it refuses."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

import aiohttp

from bascule.domain.errors import BasculeError


class ApiRefused(BasculeError):
    """The API said no. status: HTTP's; code: one of docs/api/errors.md."""

    def __init__(self, method: str, path: str, status: int, error: dict[str, Any]) -> None:
        super().__init__(f"{method} {path}: {status} {error['code']}: {error['message']}")
        self.status = status
        self.code: str = error["code"]


async def ask(
    session: aiohttp.ClientSession, key: str, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What the API answers to one request. Raises: ApiRefused."""
    headers = {"Authorization": f"Bearer {key}"}
    if method == "POST":
        headers["Idempotency-Key"] = token_hex(16)
    async with session.request(method, path, json=body, headers=headers) as response:
        answer: dict[str, Any] = await response.json(content_type=None)
    if response.status >= 400:
        raise ApiRefused(method, path, response.status, answer["error"])
    return answer
