"""The API as a command asks it: one client, and its refusals as commands end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from bascule.entrypoints.cli.place import remembered
from bascule.entrypoints.failures import UNREACHABLE, CommandFailed

if TYPE_CHECKING:  # httpx takes its time, and most of the command line does without
    from bascule.client import Client

ApiUrl = Annotated[str | None, typer.Option(help="The API; else the development installation's.")]
ApiKey = Annotated[
    str | None,
    typer.Option(envvar="BASCULE_API_KEY", help="A key of the account; else the development installation's."),
]


@contextmanager
def merchants(url: str | None, key: str | None) -> Iterator[Client]:
    """The API for the merchant's key. Raises: CommandFailed in the API's words."""
    with asking(url or remembered("ready")["api_url"], key or remembered("ready")["secret_key"]) as client:
        yield client


@contextmanager
def treasurys(url: str | None, key: str | None) -> Iterator[Client]:
    """The API for the treasury's key. Raises: CommandFailed in the API's words."""
    ready_url = url or remembered("ready")["api_url"]
    with asking(ready_url, key or remembered("ready")["treasury"]["secret_key"]) as client:
        yield client


@contextmanager
def asking(url: str, key: str) -> Iterator[Client]:
    """The API at a URL. Raises: CommandFailed in the API's words."""
    from bascule.client import ApiError, Client, ConnectionLost

    try:
        with Client(key, base_url=url) as client:
            yield client
    except ConnectionLost as error:
        raise CommandFailed(
            f"the API at {url} does not answer: {error}", "is it running?", code=UNREACHABLE
        ) from None
    except ApiError as error:
        raise CommandFailed(str(error), error.next_step or f"see {error.doc_url or url + '/docs'}") from None
