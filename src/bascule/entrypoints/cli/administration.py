"""`migrate`, `merchants`, `keys`, `chains`, `tokens`: what the owner of an installation sets up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, line, rows, say
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.cli.registry import publish_chain, resume_token, shown_token, unlist
from bascule.entrypoints.failures import CommandFailed

Account = Annotated[str, typer.Option(help="The account, acct_….")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(migrate)
    groups: tuple[tuple[str, str, dict[str, Callable[..., None]]], ...] = (
        ("merchants", "Merchants.", {"create": create_merchant, "list": list_accounts, "early": allow_early}),
        (
            "keys",
            "API keys.",
            {"create": create_key, "list": list_keys, "rotate": rotate_key, "revoke": revoke_key},
        ),
        ("chains", "Networks we serve.", {"publish": publish_chain, "list": list_chains}),
        (
            "tokens",
            "Tokens we know.",
            {
                "accept": accept_token,
                "floors": set_floors,
                "list": list_tokens,
                "resume": resume_token,
                "unlist": unlist,
            },
        ),
    )
    for name, help_text, commands in groups:
        group = typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode=None)
        for command_name, command in commands.items():
            group.command(command_name)(command)
        app.add_typer(group, name=name)


def migrate(as_json: AsJson = False) -> None:
    """Brings the database to this version's schema. Needs the owner's login in BASCULE_DATABASE_URL."""
    from bascule.storage.migrate import PARTS, head
    from bascule.storage.migrate import migrate as apply

    asyncio.run(apply(loaded_settings().need("database_url")))
    found: dict[str, str] = {part: head(part) for part in PARTS}
    if as_json:
        line({"event": "migrated", **found})
    else:
        say("The schema is current: " + ", ".join(f"{part} {revision}" for part, revision in found.items()))


def create_merchant(name: str, as_json: AsJson = False) -> None:
    """A new merchant account."""
    from bascule.domain.ids import Prefix
    from bascule.entrypoints import wiring
    from bascule.services.seams import new_id
    from bascule.storage import accounts, audit

    async def work() -> dict[str, Any]:
        settings = loaded_settings()
        seams = wiring.Seams(settings)
        async with wiring.owner(settings) as db, db.transaction() as conn:
            made = await accounts.create(
                conn,
                id=new_id(Prefix.ACCOUNT, seams.clock, seams.entropy),
                kind="merchant",
                name=name,
                created_at=seams.clock.now(),
            )
            await audit.append(conn, actor="cli", action="merchant.create", object_id=made.id)
            return {"id": made.id, "name": made.name}

    rows([asyncio.run(work())], as_json=as_json)


def list_accounts(as_json: AsJson = False) -> None:
    """Every account, the operator first."""
    from bascule.entrypoints import wiring
    from bascule.storage import overview

    async def work() -> list[dict[str, Any]]:
        async with wiring.owner(loaded_settings()) as db, db.read() as conn:
            return await overview.accounts(conn)

    rows(asyncio.run(work()), as_json=as_json)


def allow_early(
    account: Annotated[str, typer.Argument(help="The merchant, acct_….")],
    most: Annotated[
        str | None, typer.Option(help="The largest amount that may succeed before it is final; 0.00: none.")
    ] = None,
    tier: Annotated[
        list[str] | None,
        typer.Option(help="AMOUNT=LEVEL (depth:N or safe) for intents that name none; again for more."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How early a merchant's intents may succeed; without options, what is allowed now."""
    from bascule.entrypoints.allowing import allow, allowed

    if most is None and tier:
        raise typer.BadParameter("tiers need the largest amount beside them", param_hint="--most")
    settings = loaded_settings()
    if most is None:
        shown = asyncio.run(allowed(settings, account))
    else:
        shown = asyncio.run(allow(settings, account, most, tier or []))
    rows([shown], as_json=as_json)


def create_key(
    account: Account,
    kind: Annotated[str, typer.Option(help="sk (secret), rk (restricted) or pk (publishable).")] = "sk",
    live: Annotated[bool, typer.Option("--live", help="A key for real money.")] = False,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(help="RESOURCE:read or RESOURCE:write; again for more.")
    ] = None,
    holder: Annotated[
        str | None,
        typer.Option(help="The approver who alone holds it; they cannot approve what it asks for."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """A new API key. It is shown this once."""
    if kind not in ("sk", "rk", "pk"):
        raise typer.BadParameter("sk, rk or pk", param_hint="--kind")
    _require_scopes(scope or [])
    shown = asyncio.run(_issue(account, kind, live, name, tuple(scope or ("*",)), holder))
    rows([shown], as_json=as_json)


def _require_scopes(given: list[str]) -> None:
    """Raises: BadParameter for a scope that no operation asks for; such a key would open nothing."""
    from bascule.entrypoints.api.app import OPERATIONS

    known = {operation.scope for operation in OPERATIONS if operation.scope}
    if unknown := [scope for scope in given if scope not in known | {"*"}]:
        raise typer.BadParameter(
            f"no scope {', '.join(unknown)}; there are {', '.join(sorted(known))}", param_hint="--scope"
        )


async def _issue(
    account: str, kind: Any, live: bool, name: str, scopes: tuple[str, ...], holder: str | None
) -> dict[str, Any]:
    from bascule.domain.chain import parse_address
    from bascule.domain.errors import NotFound
    from bascule.entrypoints import wiring
    from bascule.services import api_keys
    from bascule.storage import accounts, audit

    settings = loaded_settings()
    for switch in ("webhook_allow_local", "sandbox"):
        if live and getattr(settings, switch):  # else no process of this installation starts again
            raise CommandFailed(
                f"BASCULE_{switch.upper()} is true here, which is refused beside a live key",
                "make live keys on an installation where it is false",
            )
    seams = wiring.Seams(settings)
    async with wiring.owner(settings) as db, db.transaction() as conn:
        if await accounts.get(conn, account) is None:
            raise NotFound(
                "resource_missing", f"there is no account {account}", next_step="bascule merchants list"
            )
        issued = await api_keys.issue(
            conn,
            account_id=account,
            livemode=live,
            kind=kind,
            pepper=settings.need("api_pepper").encode(),
            clock=seams.clock,
            entropy=seams.entropy,
            scopes=scopes,
            name=name,
            holder=None if holder is None else parse_address(holder, param="holder"),
        )
        await audit.append(
            conn, actor="cli", action="key.create", object_id=issued.id, details={"account": account}
        )
    return {"id": issued.id, "secret": issued.secret}


def list_keys(account: Account, as_json: AsJson = False) -> None:
    """The keys of an account; of each only its beginning."""
    from bascule.entrypoints import wiring
    from bascule.storage import api_keys

    async def work() -> list[dict[str, Any]]:
        async with wiring.owner(loaded_settings()) as db, db.read() as conn:
            found = await api_keys.of_account(conn, account)
        return [
            {
                "id": key.id,
                "key": key.lookup + "…",
                "name": key.name,
                "scopes": " ".join(key.scopes),
                "created": key.created_at.isoformat(timespec="seconds"),
                "ends": _ends(key.revoked_at or key.expires_at),
            }
            for key in found
        ]

    rows(asyncio.run(work()), as_json=as_json, empty=f"{account} has no keys")


def rotate_key(
    key_id: str,
    account: Account,
    grace_hours: Annotated[
        float, typer.Option(help="How long the old key still works.", min=0, max=720)
    ] = 24.0,
    as_json: AsJson = False,
) -> None:
    """A new key like the old one, which ends after the grace time."""
    from bascule.domain.errors import NotFound
    from bascule.entrypoints import wiring
    from bascule.storage import api_keys, audit

    async def work() -> dict[str, Any]:
        settings = loaded_settings()
        async with wiring.owner(settings) as db, db.read() as conn:
            old = next((key for key in await api_keys.of_account(conn, account) if key.id == key_id), None)
        if old is None:
            raise NotFound(
                "resource_missing", f"{account} has no key {key_id}", next_step="bascule keys list"
            )
        holder = None if old.holder is None else "0x" + old.holder.hex()
        made = await _issue(account, old.kind, old.livemode, old.name, tuple(old.scopes), holder)
        until = wiring.Seams(settings).clock.now() + timedelta(hours=grace_hours)
        async with wiring.owner(settings) as db, db.transaction() as conn:
            await api_keys.expire(conn, account, key_id, until)
            await audit.append(
                conn, actor="cli", action="key.rotate", object_id=key_id, details={"successor": made["id"]}
            )
        return {**made, "old_key_ends": until.isoformat(timespec="seconds")}

    rows([asyncio.run(work())], as_json=as_json)


def revoke_key(key_id: str, account: Account, as_json: AsJson = False) -> None:
    """Ends a key at once."""
    from bascule.domain.errors import NotFound
    from bascule.entrypoints import wiring
    from bascule.storage import api_keys, audit

    async def work() -> dict[str, Any]:
        settings = loaded_settings()
        now = wiring.Seams(settings).clock.now()
        async with wiring.owner(settings) as db, db.transaction() as conn:
            if not await api_keys.revoke(conn, account, key_id, now):
                raise NotFound(
                    "resource_missing",
                    f"{account} has no working key {key_id}",
                    next_step="bascule keys list",
                )
            await audit.append(conn, actor="cli", action="key.revoke", object_id=key_id)
        return {"id": key_id, "revoked": now.isoformat(timespec="seconds")}

    rows([asyncio.run(work())], as_json=as_json)


def list_chains(as_json: AsJson = False) -> None:
    """Networks we serve, and how far each has been read."""
    from bascule.entrypoints import wiring
    from bascule.storage import overview

    async def work() -> list[dict[str, Any]]:
        async with wiring.owner(loaded_settings()) as db, db.read() as conn:
            return await overview.cursors(conn)

    rows(asyncio.run(work()), as_json=as_json, empty="no networks yet")


def accept_token(
    contract: Annotated[str, typer.Argument(help="The token's address, 0x….")],
    chain: Annotated[str, typer.Option(help="The network, by name or chain id.")] = "dev",
    currency: Annotated[
        str | None, typer.Option(help="What intents call it; else its symbol in lower case.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Takes a plain ERC-20 token as payment from now on."""
    from bascule.domain.chain import parse_address
    from bascule.entrypoints import wiring
    from bascule.entrypoints.accepting import accept

    async def work() -> dict[str, Any]:
        settings = loaded_settings()
        seams = wiring.Seams(settings)
        at = parse_address(contract)
        async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
            network = await wiring.network_of(db, chain)
            rpc = rpcs[settings.chain(network.chain_id).id]
            token = await accept(db, rpc, network, at, currency, clock=seams.clock, entropy=seams.entropy)
        return shown_token(token)

    rows([asyncio.run(work())], as_json=as_json)


def set_floors(
    token: Annotated[str, typer.Argument(help="The token, tok_….")],
    dust: Annotated[str | None, typer.Option(help='Arrivals below are taken for spam: "0.01".')] = None,
    minimum: Annotated[str | None, typer.Option(help='Payments below wait for a word: "1.00".')] = None,
    as_json: AsJson = False,
) -> None:
    """From which amounts on arrivals of a token count; "0.00" takes a floor away."""
    from bascule.entrypoints import accepting, wiring

    async def work() -> dict[str, Any]:
        async with wiring.owner(loaded_settings()) as db:
            return shown_token(await accepting.set_floors(db, token, dust, minimum))

    rows([asyncio.run(work())], as_json=as_json)


def list_tokens(as_json: AsJson = False) -> None:
    """Tokens we know."""
    from bascule.entrypoints import wiring
    from bascule.storage import tokens

    async def work() -> list[dict[str, Any]]:
        async with wiring.owner(loaded_settings()) as db, db.read() as conn:
            return [shown_token(token) for token in await tokens.every(conn)]

    rows(asyncio.run(work()), as_json=as_json, empty="no tokens yet")


def _ends(moment: Any) -> str:
    return moment.isoformat(timespec="seconds") if moment else "never"
