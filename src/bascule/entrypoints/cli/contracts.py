"""`contracts deploy` and `contracts verify`: our contracts on one chain."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, line, rows, say
from bascule.entrypoints.cli.place import config_file, loaded_settings
from bascule.entrypoints.failures import USAGE, CommandFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bascule.chain.caller import Caller
    from bascule.entrypoints.contracts.blueprint import Blueprint
    from bascule.entrypoints.contracts.checks import Check
    from bascule.entrypoints.contracts.deploying import Plan
    from bascule.entrypoints.wiring import Settings

GWEI = 10**9

ChainOption = Annotated[str, typer.Option("--chain", help="Chain id or name.")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(help="Our contracts on a chain.", no_args_is_help=True, rich_markup_mode=None)
    group.command("deploy")(deploy)
    group.command("verify")(verify)
    app.add_typer(group, name="contracts")


def deploy(
    chain: ChainOption,
    yes: Annotated[bool, typer.Option("--yes", help="Send the transactions of the plan.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and end.")] = False,
    max_fee_gwei: Annotated[
        float, typer.Option(help="Never offer more per gas.", min=0.001, max=100_000)
    ] = 200.0,
    patience: Annotated[
        float, typer.Option(help="Seconds a transaction may take to be mined.", min=1, max=86_400)
    ] = 300.0,
    as_json: AsJson = False,
) -> None:
    """Puts on the chain what is missing: contracts, roles, hand-over. Shows a plan; --yes carries it out."""
    if yes and dry_run:
        raise CommandFailed("--yes and --dry-run exclude each other", "give one of them", code=USAGE)
    sent = asyncio.run(
        _deploy(
            chain, yes=yes, dry_run=dry_run, ceiling=int(max_fee_gwei * GWEI), patience_s=patience,
            as_json=as_json,
        )
    )  # fmt: skip
    if not sent:
        raise CommandFailed("nothing was sent", "read the plan, then say --yes or --dry-run", code=USAGE)


def verify(chain: ChainOption, as_json: AsJson = False) -> None:
    """Holds code and roles on the chain against abi/ and the configuration. Ends with 1 when they differ."""
    plan, checks = asyncio.run(_verify(chain))
    told = [_told(plan, each) for each in checks]
    if as_json:
        for each in told:
            line({"event": "check", "chain": plan.chain_id, **each})
    else:
        _say_where(plan)
        say("")
        shown = ("state", "contract", "subject", "found")
        rows([{name: each[name] for name in shown} for each in told], as_json=False)
        for each in told:
            if each["state"] != "ok":
                say(f"\n{each['contract']}, {each['subject']}: expected {each['expected']}")
                say(f"  {each['remedy']}")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


async def _verify(chain: str) -> tuple[Blueprint, list[Check]]:
    from bascule.entrypoints.contracts.inspection import examine
    from bascule.entrypoints.contracts.recording import recorded

    settings = loaded_settings()
    async with _on(settings, chain) as (plan, rpc):
        return plan, [*await examine(rpc, plan), *recorded(settings.deployments, plan)]


@asynccontextmanager
async def _on(settings: Settings, chain: str) -> AsyncIterator[tuple[Blueprint, Caller]]:
    """The chain's blueprint and a node that serves just that chain."""
    from bascule.chain import heads
    from bascule.entrypoints import wiring
    from bascule.entrypoints.contracts.blueprint import draw

    plan = draw(settings, chain)
    async with wiring.nodes(settings, lambda: None) as rpcs:
        rpc = rpcs[plan.chain_id]
        await heads.require_chain(rpc, plan.chain_id)
        yield plan, rpc


async def _deploy(
    chain: str, *, yes: bool, dry_run: bool, ceiling: int, patience_s: float, as_json: bool
) -> bool:
    """False when there is something to send and nobody said to."""
    from bascule.entrypoints.contracts import deploying
    from bascule.entrypoints.contracts.inspection import examine

    settings = loaded_settings()
    async with _on(settings, chain) as (blueprint, rpc):
        deployer = blueprint.birth.deployer
        if yes:
            await deploying.settled(rpc, deployer, patience_s)
        checks = await examine(rpc, blueprint)
        deploying.refuse_what_no_transaction_mends(checks)
        steps = deploying.steps_of(checks, deployer)
        plan = await deploying.price(rpc, steps, ceiling=ceiling)
        _show(blueprint, plan, as_json=as_json)
        if steps and not yes:
            return dry_run
        if steps:
            key = await _key(settings, blueprint)
            await deploying.require_means(rpc, deployer, plan)
            told = line if as_json else _progress
            await deploying.carry_out(rpc, key, blueprint.chain_id, plan, patience_s=patience_s, told=told)
            checks = await examine(rpc, blueprint)
            deploying.refuse_what_no_transaction_mends(checks)
    if not dry_run:
        _record(settings, blueprint, as_json=as_json)
    _show_end(blueprint, checks, sent=len(steps), as_json=as_json)
    return True


async def _key(settings: Settings, blueprint: Blueprint) -> Any:
    from bascule.domain.chain import checksum
    from bascule.entrypoints.contracts.deployer_key import deployer_key

    key = await deployer_key(settings)
    if key.address != blueprint.birth.deployer:
        raise CommandFailed(
            f"the key is that of {checksum(key.address)}, and contracts.deployer is "
            f"{checksum(blueprint.birth.deployer)}",
            "set BASCULE_DEPLOYER_KEY to the deployer's key; contracts.deployer decides the addresses",
        )
    return key


def _show(blueprint: Blueprint, plan: Plan, *, as_json: bool) -> None:
    from bascule.domain.chain import checksum

    steps = [
        {"step": step.what, "to": checksum(step.to), "gas": gas}
        for step, gas in zip(plan.steps, plan.gas, strict=True)
    ]
    places = {contract: checksum(place) for place, contract in blueprint.standing.items()}
    if as_json:
        line(
            {
                "event": "plan", "chain": blueprint.chain_id, "contracts": places, "steps": steps,
                "gas": sum(plan.gas), "max_fee_per_gas": plan.fees.max_fee_per_gas, "max_cost": plan.cost,
            }
        )  # fmt: skip
        return
    _say_where(blueprint)
    if steps:
        say("\nTo be sent:")
        rows([{"step": each["step"], "gas": f"{each['gas']:,}"} for each in steps], as_json=False)
        fee = plan.fees.max_fee_per_gas / GWEI
        say(f"At most {sum(plan.gas):,} gas at {fee:.3f} gwei: {plan.cost / 10**18:.5f} of the chain's coin.")


def _say_where(blueprint: Blueprint) -> None:
    from bascule.domain.chain import checksum

    say(f"Chain {blueprint.chain_id} ({blueprint.name}), deployer {checksum(blueprint.birth.deployer)}")
    for place, contract in blueprint.standing.items():
        say(f"  {contract:<16} {checksum(place)}")


def _progress(told: dict[str, Any]) -> None:
    if told["event"] == "mined":
        say(f"  {told['step']}: {told['transaction']}, block {told['block']}, {told['gas_used']:,} gas")


def _record(settings: Settings, blueprint: Blueprint, *, as_json: bool) -> None:
    """Into the file it came from; where that cannot be, the text to paste is printed."""
    from bascule.entrypoints.contracts import recording

    path = config_file()
    entries = recording.merged(settings.deployments, blueprint)
    try:
        if path is None:
            raise OSError("no configuration file is named by BASCULE_CONFIG")
        changed = recording.write(path, entries)
    except (OSError, ValueError) as error:
        text = recording.toml(entries)
        if as_json:
            line({"event": "not_recorded", "why": str(error), "toml": text})
        else:
            say(f"\nNot written to the configuration: {error}. Put this in place of its deployments:\n")
            say(text)
        return
    if as_json:
        line({"event": "recorded", "file": str(path), "changed": changed})
    elif changed:
        say(f"\nAddresses and code hashes are in {path}.")


def _show_end(blueprint: Blueprint, checks: Sequence[Check], *, sent: int, as_json: bool) -> None:
    waiting = [check for check in checks if not check.ok]
    turns = [{"contract": c.contract, "advice": c.advice(blueprint.birth.deployer)} for c in waiting]
    if as_json:
        line({"event": "deployed", "chain": blueprint.chain_id, "sent": sent, "waiting": turns})
        return
    say(f"\n{sent} transactions sent." if sent else "\nEverything stands already; nothing was sent.")
    for turn in turns:
        say(f"Still to do: {turn['advice']}")


def _told(plan: Blueprint, check: Check) -> dict[str, str]:
    from bascule.domain.chain import checksum

    return {
        "contract": check.contract,
        "address": checksum(check.address),
        "subject": check.subject,
        "expected": check.expected,
        "found": check.found,
        "state": "ok" if check.ok else "differs",
        "remedy": check.advice(plan.birth.deployer),
    }
