"""What the signer obeys, changed from the command line: proposals as files, signed, handed to the signer.

A file holds `typed_data`, which any EIP-712 wallet signs, and the `signatures` given so far.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bascule.domain.authority import AccountLimitsUpdate, LimitsUpdate, Request, RosterUpdate, read
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import NotFound, Rejected
from bascule.domain.money import parse_amount
from bascule.entrypoints import wiring
from bascule.entrypoints.signer_client import SignerClient
from bascule.entrypoints.signer_doors import asked_at
from bascule.entrypoints.wiring import Settings
from bascule.services.signer_authority import Change
from bascule.services.signing_intents import SignerRefused
from bascule.storage import (
    accounts,
    approvals,
    audit,
    signer_account_limits,
    signer_limits,
    signer_rosters,
    tokens,
)
from bascule.storage.database import Connection, Database
from bascule.storage.signer_rosters import Genesis, Roster
from bascule.storage.tokens import Token

_TO_DO = {
    "approvals_missing": "another approver runs: bascule roster sign FILE --keystore KEY",
    "genesis_missing": "bascule roster genesis",
}


async def genesis(
    settings: Settings, chain: str, threshold: int, members: Sequence[Address], *, dry_run: bool
) -> RosterUpdate:
    """The operator's first roster, by the owner's login; again with the same people is harmless.

    Raises: Rejected `roster_invalid`, `genesis_stands`, NotFound when the operator has no account.
    """
    async with wiring.owner(settings) as db:
        network = await wiring.network_of(db, chain)
        if network.vault is None:
            raise Rejected("vault_missing", f"{network.name} has no vault in whose domain rosters are signed")
        async with db.transaction() as conn:
            operator = await accounts.operator(conn)
            if operator is None:
                raise NotFound("resource_missing", "the operator has no account")
            first = RosterUpdate(operator.id, 1, threshold, tuple(members))
            await signer_rosters.serialize(conn)
            wanted = Genesis(operator.id, network.chain_id, network.vault)
            await _begin(conn, wanted, Roster(1, threshold, frozenset(members)), dry_run=dry_run)
            if not dry_run:
                await _show(conn, first, action="roster.genesis")
    return first


async def _begin(conn: Connection, wanted: Genesis, roster: Roster, *, dry_run: bool) -> None:
    standing = await signer_rosters.genesis(conn)
    known = (await signer_rosters.current(conn, {wanted.account_id})).get(wanted.account_id)
    if standing not in (None, wanted) or known not in (None, roster):
        raise Rejected(
            "genesis_stands",
            "the operator's first roster stands; it is changed by its own approvers",
            next_step="bascule roster propose",
        )
    if dry_run:
        return
    await signer_rosters.begin(conn, wanted)
    if known is None:
        await signer_rosters.add(
            conn, wanted.account_id, version=1, threshold=roster.threshold, members=roster.members
        )


async def propose_roster(
    settings: Settings, account: str, threshold: int, members: Sequence[Address], file: Path
) -> Request:
    """Writes the account's next roster into `file`, to be signed. Raises: Rejected, NotFound."""
    async with wiring.owner(settings) as db, db.read() as conn:
        begun = await _begun(conn)
        if await accounts.get(conn, account) is None:
            raise NotFound("resource_missing", f"there is no account {account}")
        rosters = await signer_rosters.current(conn, {account})
    version = rosters[account].version + 1 if account in rosters else 1
    update = RosterUpdate(account, version, threshold, tuple(members))
    return _propose(Request(update, begun.chain_id, begun.vault), file)


async def propose_limits(
    settings: Settings,
    token_id: str,
    *,
    per_item: str,
    per_day: str,
    max_fee_per_gas: int,
    max_gas: int,
    file: Path,
) -> Request:
    """Writes the token's next hard limits in its chain's vault into `file`. Amounts as `10.00`.

    Raises: Rejected, NotFound.
    """
    async with wiring.owner(settings) as db:
        token, vault = await _place(db, token_id)
        async with db.read() as conn:
            ruling = await signer_limits.ruling(conn, token.chain_id, vault=vault, token=token.contract)
    units = [parse_amount(text, token.currency).to_token(token.asset).units for text in (per_item, per_day)]
    version = ruling[0] + 1 if ruling else 1
    update = LimitsUpdate(token.contract, version, units[0], units[1], max_fee_per_gas, max_gas)
    return _propose(Request(update, token.chain_id, vault), file)


async def propose_account_limits(
    settings: Settings,
    account: str,
    token_id: str,
    *,
    per_day: str,
    destinations: Sequence[Address],
    file: Path,
) -> Request:
    """Writes an account's next bounds for a token into `file`.

    per_day: as `10.00`; destinations: the only ones, none is any. Raises: Rejected, NotFound.
    """
    async with wiring.owner(settings) as db:
        token, vault = await _place(db, token_id)
        async with db.read() as conn:
            if await accounts.get(conn, account) is None:
                raise NotFound("resource_missing", f"there is no account {account}")
            ruling = await signer_account_limits.current(
                conn, token.chain_id, vault, token.contract, [account]
            )
    units = parse_amount(per_day, token.currency).to_token(token.asset).units
    version = ruling[account].version + 1 if account in ruling else 1
    update = AccountLimitsUpdate(account, token.contract, version, units, tuple(destinations))
    return _propose(Request(update, token.chain_id, vault), file)


async def _place(db: Database, token_id: str) -> tuple[Token, Address]:
    """A token and the vault of its chain. Raises: Rejected, NotFound."""
    async with db.read() as conn:
        await _begun(conn)
        token = next((each for each in await tokens.every(conn) if each.id == token_id), None)
    if token is None:
        raise NotFound("resource_missing", f"there is no token {token_id}", next_step="bascule tokens list")
    network = await wiring.network_of(db, str(token.chain_id))
    if network.vault is None:
        raise Rejected("vault_missing", f"{network.name} has no vault")
    return token, network.vault


def signed_with(file: Path, signature: str) -> int:
    """Adds a signature to the proposal; how many it has now. The same one again changes nothing."""
    change, _ = load(file)
    given = bytes.fromhex(signature.removeprefix("0x"))
    if given not in change.signatures:
        change = Change(change.typed_data, (*change.signatures, given))
        _write(file, change)
    return len(change.signatures)


def load(file: Path) -> tuple[Change, Request]:
    """The proposal in the file, read back from the text that was signed. Raises: Rejected."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        signatures = tuple(bytes.fromhex(each.removeprefix("0x")) for each in told["signatures"])
        typed = dict(told["typed_data"])
    except OSError as error:
        raise Rejected("file_unusable", f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Rejected("file_unusable", f"{file} is no proposal; bascule roster propose writes one") from None
    return Change(typed, signatures), read(typed)


async def apply(settings: Settings, file: Path) -> Request:
    """The signer obeys it from now on, and the API shows it. Again is harmless.

    Raises: Rejected, SignerRefused, Retryable when the signer does not answer.
    """
    change, request = load(file)
    async with wiring.owner(settings) as db:
        async with SignerClient(asked_at(settings), guard=db.refuse_open_transaction) as signer:
            await _applied(signer, change)
        async with db.transaction() as conn:
            if isinstance(request.update, RosterUpdate):
                await _show(conn, request.update, action="roster.apply")
            else:
                await _note(conn, request)
    return request


async def _applied(signer: SignerClient, change: Change) -> None:
    try:
        await signer.apply(change)
    except SignerRefused as error:
        raise Rejected(
            error.code,
            f"the signer refuses it ({error.code}): {error.message}",
            next_step=_TO_DO.get(
                error.code, "propose it anew: bascule roster propose, bascule limits propose"
            ),
        ) from None


async def _show(conn: Connection, update: RosterUpdate, *, action: str) -> None:
    """The API's side: who may hand in approvals from now on."""
    for member in update.approvers:
        await approvals.add_approver(conn, update.account, member, roster_version=update.version)
    await audit.append(
        conn,
        actor="cli",
        action=action,
        object_id=update.account,
        details={
            "version": update.version,
            "threshold": update.threshold,
            "approvers": [checksum(member) for member in update.approvers],
        },
    )


async def _note(conn: Connection, request: Request) -> None:
    message = request.typed_data()["message"]
    where = f"{request.chain_id}/{checksum(request.vault)}"
    await audit.append(conn, actor="cli", action="limits.apply", object_id=where, details=message)


async def _begun(conn: Connection) -> Genesis:
    begun = await signer_rosters.genesis(conn)
    if begun is None:
        raise Rejected(
            "genesis_missing", "the operator has no first roster", next_step="bascule roster genesis"
        )
    return begun


def _propose(request: Request, file: Path) -> Request:
    if file.exists():
        raise Rejected("file_exists", f"{file} is there; name another one or remove it")
    _write(file, Change(request.typed_data(), ()))
    return request


def _write(file: Path, change: Change) -> None:
    """The file is there wholly or not at all."""
    shown: dict[str, Any] = {
        "typed_data": change.typed_data,
        "signatures": ["0x" + each.hex() for each in change.signatures],
    }
    beside = file.with_name(file.name + ".new")
    beside.write_text(json.dumps(shown, indent=2) + "\n", encoding="utf-8")
    os.replace(beside, file)
