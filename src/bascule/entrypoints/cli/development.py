"""`dev`, `demo` and `chain`: the whole system, its story, and the local chain, on one machine."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, line, say

Host = Annotated[str, typer.Option(help="Address that everything listens on.")]
BlockTime = Annotated[
    float, typer.Option(help="Seconds between blocks of the local chain.", min=0.05, max=3600)
]
RpcUrl = Annotated[
    str | None,
    typer.Option(
        help="Use this node instead of a local chain; it must mine by interval, as "
        "anvil --block-time 1 --slots-in-an-epoch 4 does."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(dev)
    app.command()(demo)
    app.command()(chain)


def dev(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the API; 0 takes a free one.", min=0, max=65535)] = 8000,
    rpc_port: Annotated[
        int, typer.Option(help="Port of the local chain; 0 takes a free one.", min=0, max=65535)
    ] = 8545,
    rpc_url: RpcUrl = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="Use this PostgreSQL database (its owner's login), not an embedded one."),
    ] = None,
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path(".bascule"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew: what the data folder holds goes first.")
    ] = False,
    block_time: BlockTime = 1.0,
    as_json: AsJson = False,
) -> None:
    """The whole system on this machine, until Ctrl-C. Not for production."""
    began = time.monotonic()
    from bascule.entrypoints.dev.supervisor import Interrupted
    from bascule.entrypoints.dev.tree import Options, running

    options = Options(
        data_dir=data_dir,
        host=host,
        port=port,
        rpc_port=rpc_port,
        rpc_url=rpc_url,
        database_url=database_url or os.environ.get("BASCULE_DATABASE_URL"),
        block_time=block_time,
        fresh=fresh,
    )
    try:
        with running(options, say=_complain, environ=os.environ, began=began) as bridge:
            if as_json:
                line(bridge.ready)
            else:
                _banner(bridge.ready, bridge.seconds, bridge.installation.folder)
            bridge.tree.watch()
    except Interrupted:
        pass
    if not as_json:
        say("\nStopped. The same command brings everything back as it was.")


def demo(
    as_json: AsJson = False,
    block_time: BlockTime = 1.0,
    rpc_url: RpcUrl = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep the data in this folder instead of a temporary one.")
    ] = None,
) -> None:
    """The whole story with real transactions, each step checked; ends by itself."""
    began = time.monotonic()
    from bascule.entrypoints.demo import run

    raise typer.Exit(
        run(
            as_json=as_json,
            block_time=block_time,
            rpc_url=rpc_url,
            keep=keep,
            environ=os.environ,
            began=began,
        )
    )


def chain(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8545,
    block_time: BlockTime = 1.0,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep the blocks here; without it they end with us.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The local chain alone, contracts deployed, until Ctrl-C."""
    from bascule.entrypoints.dev.lone_chain import serve

    serve(host, port, block_time, data_dir, lambda facts: line(facts) if as_json else _chain_banner(facts))


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _chain_banner(facts: dict[str, Any]) -> None:
    say(f"Local chain {facts['chain_id']} at {facts['rpc_url']}")
    for name, contract in facts["contracts"].items():
        say(f"  {name:<16} {contract}")
    say("Ctrl-C ends it.")


def _banner(ready: dict[str, Any], seconds: float, folder: Path) -> None:
    token = ready["tokens"][0]
    customer = ready["funded_accounts"][0]
    say(f"\nBascule is ready ({seconds:.1f} s). Ctrl-C stops everything; the same command brings it back.\n")
    for name, value in (
        ("API", ready["api_url"]),
        ("API reference", ready["api_url"] + "/docs"),
        ("JSON-RPC", f"{ready['rpc_url']} (chain {ready['chain_id']})"),
        ("secret key", ready["secret_key"]),
        ("publishable key", ready["publishable_key"]),
        ("treasury key", ready["treasury"]["secret_key"]),
        (f"{token['currency'].upper()} contract", token["contract"]),
        ("vault", ready["vault"]),
        ("a customer", customer["address"]),
        ("data and logs", str(folder)),
    ):
        say(f"  {name:<16} {value}")
    us = sys.argv[0] if Path(sys.argv[0]).name == "bascule" else "bascule"  # as the reader called us
    say(
        f"\n  curl -s {ready['api_url']}/v1/payment_intents -u {ready['secret_key']}: "
        f"-d amount=10.00 -d currency=usdc\n  {us} pay INTENT_ID\n"
    )
