"""The client: who asks, where, and how often a request is sent before it counts as lost."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import httpx

from bascule.client import encode, retries
from bascule.client.errors import ConnectionLost, refusal
from bascule.client.resources import API_VERSION, Resources


class Client(Resources):
    """The API as one key sees it. Safe to share between threads; `close` it, or use it with `with`.

    max_retries: how often what may succeed later is sent again, under the same idempotency key; timeout:
    seconds for one attempt; account: acts for this account (Bascule-Account).
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str,
        max_retries: int = 2,
        timeout: float = 30.0,
        account: str | None = None,
    ) -> None:
        self.max_retries = max_retries
        headers = {
            "Authorization": f"Bearer {api_key}",
            "Bascule-Version": API_VERSION,
            "User-Agent": "bascule-python",
        }
        if account is not None:
            headers["Bascule-Account"] = account
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout)
        super().__init__(self)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        content: bytes | Iterable[bytes] | None = None,
        content_type: str = "text/csv",
    ) -> Any:
        """What the API answers, decoded where it is JSON, else its bytes. Raises: ApiError, ConnectionLost.

        params: the query of a GET, else the JSON body; with content, a file that can be read more than once,
        they stand in the query.
        """
        headers: dict[str, str] = {}
        if method == "POST":
            headers["Idempotency-Key"] = idempotency_key or str(uuid.uuid4())
        asked: dict[str, Any] = {}
        if content is not None:
            headers["Content-Type"] = content_type
            asked = {"params": encode.query(params or {}), "content": content}
        elif method == "POST":
            asked = {"json": params or {}}
        elif params:
            asked = {"params": encode.query(params)}
        response = self._sent(method, path, headers, asked)
        if response.headers.get("content-type", "").startswith("application/json"):
            return response.json()
        return response.content

    @contextmanager
    def stream(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[Iterator[str]]:
        """The lines of an answer that goes on. Raises: ApiError, ConnectionLost, also between two lines."""
        patience = httpx.Timeout(30.0, read=60.0)
        try:
            with self._http.stream(
                "GET", path, params=encode.query(params or {}), timeout=patience
            ) as response:
                if response.status_code >= 400:
                    response.read()
                    raise refusal(response.status_code, _json(response), dict(response.headers))
                yield response.iter_lines()
        except httpx.TransportError as error:
            raise ConnectionLost(f"{path}: {error or type(error).__name__}", None) from error

    def _sent(
        self, method: str, path: str, headers: Mapping[str, str], asked: Mapping[str, Any]
    ) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            told: Mapping[str, str] = {}
            lost: httpx.TransportError | None = None
            response: httpx.Response | None = None
            try:
                response = self._http.request(method, path, headers=headers, **asked)
            except httpx.TransportError as error:
                lost = error
            else:
                told = dict(response.headers)
                if response.status_code < 400:
                    return response
            pause = retries.wait(attempt, told, random.random())  # noqa: S311 - not a secret
            may = lost is not None or (response is not None and retries.again(response.status_code, told))
            if not may or attempt > self.max_retries or pause is None:
                if response is None:
                    what = f"{method} {path}: {lost or type(lost).__name__}"
                    raise ConnectionLost(what, headers.get("Idempotency-Key")) from lost
                raise refusal(response.status_code, _json(response), told)
            time.sleep(pause)


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None
