"""`roster`, `limits`: whom and how much the signer obeys, as versions that people sign."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, line, say
from bascule.entrypoints.cli.place import loaded_settings

if TYPE_CHECKING:
    from bascule.domain.authority import Request
    from bascule.domain.chain import Address

Proposal = Annotated[Path, typer.Argument(help="The proposal's file.")]
Out = Annotated[Path, typer.Option(help="The file to write; it goes from approver to approver.")]
Members = Annotated[list[str], typer.Option("--approver", help="An approver's address; again for more.")]
Threshold = Annotated[int, typer.Option(help="How many of them it takes.", min=1)]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    rosters = typer.Typer(help="Who approves.", no_args_is_help=True, rich_markup_mode=None)
    limits = typer.Typer(help="The signer's hard limits.", no_args_is_help=True, rich_markup_mode=None)
    rosters.command()(genesis)
    rosters.command(name="propose")(propose_roster)
    limits.command(name="propose")(propose_limits)
    limits.command(name="propose-account")(propose_account_limits)
    for group in (rosters, limits):
        group.command()(sign)
        group.command()(apply)
    app.add_typer(rosters, name="roster")
    app.add_typer(limits, name="limits")


def genesis(
    approver: Members,
    threshold: Threshold,
    chain: Annotated[str, typer.Option(help="Its vault is the domain all rosters are signed in.")] = "dev",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would stand.")] = False,
    as_json: AsJson = False,
) -> None:
    """The operator's first roster, by the owner's login. Every later one is signed by the one before."""
    from bascule.entrypoints.authorising import genesis as begin

    made = asyncio.run(begin(loaded_settings(), chain, threshold, _addresses(approver), dry_run=dry_run))
    if as_json:
        line({"account": made.account, "version": 1, "threshold": threshold, "dry_run": dry_run})
    else:
        rules = "would rule" if dry_run else "rules"
        say(f"Roster 1 of {made.account} {rules}: {threshold} of {len(made.approvers)}.")


def propose_roster(
    account: Annotated[str, typer.Argument(help="The account, acct_….")],
    approver: Members,
    threshold: Threshold,
    out: Out,
    as_json: AsJson = False,
) -> None:
    """Writes an account's next roster into a file to be signed; nothing changes yet."""
    from bascule.entrypoints import authorising

    work = authorising.propose_roster(loaded_settings(), account, threshold, _addresses(approver), out)
    _tell(asyncio.run(work), out, as_json)


def propose_limits(
    token: Annotated[str, typer.Option(help="The token, tok_….")],
    per_item: Annotated[str, typer.Option(help='The largest payout: "10000.00".')],
    per_day: Annotated[str, typer.Option(help="All payouts of any 24 hours.")],
    out: Out,
    max_fee_gwei: Annotated[int, typer.Option(help="The most per gas, in gwei.", min=1)] = 500,
    max_gas: Annotated[int, typer.Option(help="The most gas of a batch.", min=21_000)] = 16_000_000,
    as_json: AsJson = False,
) -> None:
    """Writes a token's next hard limits into a file to be signed by the operator's approvers."""
    from bascule.entrypoints import authorising

    work = authorising.propose_limits(
        loaded_settings(), token, per_item=per_item, per_day=per_day,
        max_fee_per_gas=max_fee_gwei * 10**9, max_gas=max_gas, file=out,
    )  # fmt: skip
    _tell(asyncio.run(work), out, as_json)


def propose_account_limits(
    account: Annotated[str, typer.Argument(help="The account, acct_….")],
    token: Annotated[str, typer.Option(help="The token, tok_….")],
    per_day: Annotated[str, typer.Option(help='All its payouts of any 24 hours: "10000.00".')],
    out: Out,
    to: Annotated[
        list[str] | None, typer.Option(help="An address it may pay; again for more. None: any.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Writes what the signer signs for one account into a file to be signed by the operator's approvers."""
    from bascule.entrypoints import authorising

    work = authorising.propose_account_limits(
        loaded_settings(), account, token, per_day=per_day, destinations=_addresses(to or []), file=out
    )
    _tell(asyncio.run(work), out, as_json)


def sign(
    file: Proposal,
    keystore: Annotated[
        Path | None, typer.Option(help="The approver's key file (Web3 Secret Storage).")
    ] = None,
    approver: Annotated[
        int | None, typer.Option(help="On a development installation: the approver's number, from 1.", min=1)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Adds an approver's signature (EIP-712) to a proposal, after showing what it says. Works offline."""
    from bascule.entrypoints import authorising
    from bascule.entrypoints.cli.people import approvers_key, sign_typed_data

    _, request = authorising.load(file)
    shown = request.typed_data()
    if not as_json:
        _show(shown)
    address, signature = sign_typed_data(approvers_key(keystore, approver), shown)
    given = authorising.signed_with(file, signature)
    if as_json:
        line({"file": str(file), "approver": address, "signatures": given})
    else:
        say(f"Signed by {address}: {given} in {file}.")


def apply(file: Proposal, as_json: AsJson = False) -> None:
    """Hands a signed proposal to the signer, who proves it; the API follows. Run it where the signer is."""
    from bascule.entrypoints import authorising

    request = asyncio.run(authorising.apply(loaded_settings(), file))
    if as_json:
        line({"version": request.update.version, **request.typed_data()["message"]})
    else:
        say(f"{type(request.update).__name__} {request.update.version} rules from now on.")


def _addresses(texts: list[str]) -> list[Address]:
    from bascule.domain.chain import parse_address

    return [parse_address(text, param="approver") for text in texts]


def _tell(request: Request, out: Path, as_json: bool) -> None:
    shown = request.typed_data()
    if as_json:
        line({"file": str(out), **shown["message"]})
        return
    _show(shown)
    group = "roster" if shown["primaryType"] == "RosterUpdate" else "limits"
    say(f"Written to {out}; each approver runs: bascule {group} sign {out} --keystore FILE")


def _show(typed_data: dict[str, Any]) -> None:
    say(f"{typed_data['primaryType']} for vault {typed_data['domain']['verifyingContract']}")
    for name, told in typed_data["message"].items():
        say(f"  {name}: {', '.join(told) if isinstance(told, list) else told}")
