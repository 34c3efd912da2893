"""`dev`, `demo` and `chain`: the whole system, its story, and the local chain, on one machine."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, line, say
from bascule.entrypoints.ports import free_port

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
    block_time: Annotated[
        float, typer.Option(help="Seconds between blocks; 0 mines each transaction at once.", min=0, max=3600)
    ] = 1.0,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep the blocks here; without it they end with us.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew: the blocks in the data folder go first.")
    ] = False,
    safe: Annotated[int, typer.Option(help="How many blocks `safe` stays behind the head.", min=0)] = 2,
    finalized: Annotated[
        int, typer.Option(help="How many blocks `finalized` stays behind the head.", min=0)
    ] = 4,
    as_json: AsJson = False,
) -> None:
    """The local chain alone, contracts deployed, until Ctrl-C."""
    began = time.monotonic()
    if safe > finalized:
        raise typer.BadParameter("not more than --finalized", param_hint="--safe")
    if fresh and data_dir is None:
        raise typer.BadParameter(
            "only with --data-dir: without it every start is fresh", param_hint="--fresh"
        )
    free_port(host, port)  # said before anything heavy is loaded
    from bascule.entrypoints.dev.lone_chain import Options, serve

    def ready(facts: dict[str, Any]) -> None:
        seconds = round(time.monotonic() - began, 2)
        line({**facts, "seconds": seconds}) if as_json else _chain_banner(facts, seconds)

    serve(Options(host, port, block_time, data_dir, fresh, safe, finalized), ready)
    if not as_json:
        say("\nStopped." if data_dir is None else "\nStopped. The same command brings the chain back.")


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _chain_banner(facts: dict[str, Any], seconds: float) -> None:
    pace = f"every {facts['block_time']:g} s" if facts["block_time"] else "with each transaction"
    say(f"\nThe local chain is ready ({seconds:.1f} s). Ctrl-C ends it.\n")
    for name, value in (
        ("JSON-RPC", facts["rpc_url"]),
        ("chain id", f"{facts['chain_id']} ({facts['chain_id']:#x})"),
        ("blocks", f"{pace}; safe {facts['safe']}, finalized {facts['finalized']} behind the head"),
        ("kept in", facts["data_dir"] or "memory; --data-dir keeps them"),
        *facts["contracts"].items(),
    ):
        say(f"  {name:<16} {value}")
    say(
        "\n  Accounts with ether, all but the deployer with USDC. The keys are public: no real money there.\n"
    )
    names = ["deployer", *map(str, range(len(facts["funded_accounts"])))]
    for name, account in zip(names, [facts["deployer"], *facts["funded_accounts"]], strict=True):
        say(f"  {name:<9} {account['address']}  {account['private_key']}")
    say("")


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
