"""`audit export` and `audit verify`: history that proves itself without the installation it is of."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.failures import USAGE, CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterator


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(help="Sealed history.", no_args_is_help=True, rich_markup_mode=None)
    group.command("export")(export)
    group.command("verify")(verify)
    app.add_typer(group, name="audit")


def export(
    file: Annotated[Path, typer.Argument(help="Where to write it: one JSON object per line.")],
    as_json: AsJson = False,
) -> None:
    """Seals what is written so far and writes all that is sealed, with its rows as they are now."""
    count = asyncio.run(_export(file))
    rows([{"file": str(file), "lines": count}], as_json=as_json)


def verify(
    file: Annotated[Path, typer.Argument(help="What `bascule audit export` wrote.")],
    head: Annotated[
        str | None, typer.Option(help="A head this printed earlier, as it was kept elsewhere.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Proves an export from the file alone, offline. Ends with 1 and the first wrong row, 2 for no export."""
    from bascule.domain.seal import Damaged, check

    try:
        found = check(_lines(file), head)
    except (Damaged, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CommandFailed(
            f"{file} cannot be checked: {why}", "write it with `bascule audit export`", code=USAGE
        ) from None
    counts = {"seals": found.seals, "rows": found.rows, "kept": found.kept}
    shown = {**counts, "head": found.head, "wrong": found.wrong or ""}
    rows([shown], as_json=as_json)
    if found.wrong is not None:
        raise typer.Exit(1)


async def _export(file: Path) -> int:
    import json

    from bascule.entrypoints import wiring
    from bascule.services import sealer

    settings = loaded_settings()
    count = 0
    async with wiring.database(settings, "worker") as db:
        everything = sealer.Sealer(db, wiring.Seams(settings).clock)
        while await everything.run_once() >= sealer.AT_ONCE:
            pass  # a smaller seal is the last: where somebody always writes, no run finds nothing
        async with db.read() as conn:
            with file.open("w", encoding="utf-8") as opened:
                async for line in sealer.export(conn):
                    opened.write(json.dumps(line) + "\n")
                    count += 1
    return count


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    import json

    from bascule.domain.seal import Damaged

    with file.open(encoding="utf-8") as opened:
        for number, text in enumerate(opened, 1):
            try:
                line = json.loads(text, object_pairs_hook=_once)
            except ValueError:
                raise Damaged(f"line {number} is no JSON, or says a thing twice") from None
            if not isinstance(line, dict):
                raise Damaged(f"line {number} is no object")
            yield line


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys differ: of two alike a reader might believe the one that is not proven."""
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError
    return found
