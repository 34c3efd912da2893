"""Lists: a page, and all that follow it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Asks(Protocol):
    """Whoever sends requests."""

    def request(self, method: str, path: str, params: Mapping[str, Any] | None = None) -> Any: ...


class Page(Generic[T]):
    """A page of a list. Iterating gives what is on it; `auto_paging_iter` goes on to the last page."""

    def __init__(self, asks: Asks, path: str, params: Mapping[str, Any]) -> None:
        answer = asks.request("GET", path, params)
        self._asks, self._path, self._params = asks, path, dict(params)
        self.data: list[T] = answer["data"]
        self.has_more: bool = answer["has_more"]

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def next_page(self) -> Page[T] | None:
        """What comes after, in the direction that was asked for; None at the end."""
        if not self.has_more or not self.data:
            return None
        first: Any = self.data[0]
        last: Any = self.data[-1]
        if "after_sequence" in self._params:
            cursor = {"after_sequence": last["account_sequence"]}
        elif "ending_before" in self._params:
            cursor = {"ending_before": first["id"]}
        else:
            cursor = {"starting_after": last["id"]}
        return Page(self._asks, self._path, {**self._params, **cursor})

    def auto_paging_iter(self) -> Iterator[T]:
        """Everything from here to the end, page by page as it is needed.

        With `ending_before` newest last, as it goes towards what is new.
        """
        page: Page[T] | None = self
        while page is not None:
            yield from reversed(page.data) if "ending_before" in self._params else page.data
            page = page.next_page()
