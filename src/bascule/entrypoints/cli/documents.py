"""`openapi` and `docs`: the generated documents, written anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bascule.entrypoints.cli.output import say

Out = Annotated[Path, typer.Option(help="The file to write.")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(openapi)
    app.command()(docs)


def openapi(
    out: Out = Path("docs/api/openapi.json"),
    client: Annotated[
        Path | None, typer.Option(help="Where the Python client's generated modules go, too.")
    ] = None,
) -> None:
    """Writes the OpenAPI 3.1 document, and what is generated from it."""
    from bascule.entrypoints import docs_client
    from bascule.entrypoints.api.app import OPERATIONS
    from bascule.entrypoints.api.openapi import document

    described = document(OPERATIONS, "http://127.0.0.1:8000")
    _write(out, json.dumps(described, indent=2, ensure_ascii=False) + "\n")
    if client is not None:
        _write(client / "objects.py", docs_client.objects(described))
        _write(client / "resources.py", docs_client.resources(described))


def docs(folder: Annotated[Path, typer.Option(help="The documentation's folder.")] = Path("docs")) -> None:
    """Writes the pages that are made from the code."""
    from bascule.entrypoints import (
        docs_breaks,
        docs_configuration,
        docs_errors,
        docs_events,
        docs_failpoints,
        docs_metrics,
        docs_states,
    )

    _write(folder / "states.md", docs_states.render())
    _write(folder / "failpoints.md", docs_failpoints.render())
    _write(folder / "api" / "errors.md", docs_errors.render())
    _write(folder / "api" / "events.md", docs_events.render())
    _write(folder / "operating" / "configuration.md", docs_configuration.render())
    _write(folder / "operating" / "breaks.md", docs_breaks.render())
    _write(folder / "operating" / "metrics.md", docs_metrics.render())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    say(f"{path}: {len(text)} characters")
