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
    from collections.abc import Iterator, Sequence

    from bascule.chain.anchor_check import OnChain
    from bascule.domain.anchor import Sent


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
    """Writes all that is sealed, with its rows as they are now.

    Seals what is written so far before, unless only the auditor's login is configured, which writes nothing.
    """
    count = asyncio.run(_export(file))
    rows([{"file": str(file), "lines": count}], as_json=as_json)


def verify(
    file: Annotated[Path, typer.Argument(help="What `bascule audit export` wrote.")],
    head: Annotated[
        str | None, typer.Option(help="A head this printed earlier, as it was kept elsewhere.")
    ] = None,
    rpc: Annotated[
        str | None, typer.Option(help="A node of yours; its chain is asked what was anchored there.")
    ] = None,
    wallet: Annotated[
        str | None, typer.Option(help="The anchor's wallet on that chain, 0x…, as you know it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Proves an export from the file alone, offline, and with --rpc against what was anchored on a chain.

    Ends with 1 and the first wrong row, 2 for no export.
    """
    from bascule.domain.seal import Damaged, check

    if (rpc is None) != (wallet is None):
        raise CommandFailed("--rpc and --wallet go together", "say both, or neither", code=USAGE)
    try:
        found = check(_lines(file), head)
    except (Damaged, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CommandFailed(
            f"{file} cannot be checked: {why}", "write it with `bascule audit export`", code=USAGE
        ) from None
    wrong, anchored = found.wrong, None
    if rpc is not None and wallet is not None and wrong is None:
        told = asyncio.run(_on_chain(rpc, wallet, found.sent))
        wrong, anchored = told.wrong, told.anchored
    counts = {"seals": found.seals, "rows": found.rows, "kept": found.kept, "anchored": anchored}
    rows([{**counts, "head": found.head, "wrong": wrong or ""}], as_json=as_json)
    if wrong is not None:
        raise typer.Exit(1)


async def _on_chain(url: str, wallet: str, sent: Sequence[Sent]) -> OnChain:
    import aiohttp

    from bascule.chain import anchor_check
    from bascule.chain.rpc import Rpc
    from bascule.domain.chain import parse_address

    known = parse_address(wallet, param="wallet")
    async with aiohttp.ClientSession() as session:
        return await anchor_check.check(Rpc(url, session=session, guard=lambda: None), known, sent)


async def _export(file: Path) -> int:
    import json

    from bascule.entrypoints import wiring
    from bascule.services import sealer

    settings = loaded_settings()
    count = 0
    role = "worker" if settings.database_url_worker or settings.database_url else "auditor"
    async with wiring.database(settings, role) as db:
        everything = sealer.Sealer(db, wiring.Seams(settings).clock)
        while role == "worker" and await everything.run_once() >= sealer.AT_ONCE:
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
