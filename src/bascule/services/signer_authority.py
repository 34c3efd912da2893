"""How the signer's rosters and hard limits change: by the signatures of those it obeys already."""

from __future__ import annotations

from typing import Any

import msgspec

from bascule.domain.authority import AccountLimitsUpdate, LimitsUpdate, Request, RosterUpdate, read
from bascule.domain.errors import Rejected
from bascule.services import quorum
from bascule.services.signing_intents import SignerRefused
from bascule.storage import signer_account_limits, signer_limits, signer_rosters
from bascule.storage.database import Connection
from bascule.storage.signer_account_limits import AccountLimits
from bascule.storage.signer_limits import HardLimits
from bascule.storage.signer_rosters import Genesis, Roster

_SAID = {
    "approvals_missing": "Too few signatures",
    "approver_unknown": "A signature is of a stranger, or under another text",
    "signature_invalid": "A signature is none",
}


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text as wallets show it, and the 65-byte signatures under it."""

    typed_data: dict[str, Any]
    signatures: tuple[bytes, ...]


class Applied(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The signer's answer: the version that rules now."""

    version: int


async def apply(conn: Connection, change: Change) -> Applied:
    """The version rules from this transaction's commit on; the same version again is answered with itself.

    Raises: SignerRefused with the codes of `domain.authority.read`, `genesis_missing`, `wrong_domain`,
    `version_out_of_order`, `approver_unknown`, `approvals_missing`, `signature_invalid`.
    """
    try:
        request = read(change.typed_data)
    except Rejected as error:
        raise SignerRefused(error.code, error.message) from None
    await signer_rosters.serialize(conn)
    genesis = await signer_rosters.genesis(conn)
    if genesis is None:
        raise SignerRefused("genesis_missing", "The operator has no first roster: bascule roster genesis.")
    if isinstance(request.update, RosterUpdate):
        return await _apply_roster(conn, request, request.update, change, genesis)
    if isinstance(request.update, AccountLimitsUpdate):
        return await _apply_account(conn, request, request.update, change, genesis)
    return await _apply_limits(conn, request, request.update, change, genesis)


async def _apply_roster(
    conn: Connection, request: Request, update: RosterUpdate, change: Change, genesis: Genesis
) -> Applied:
    if (request.chain_id, request.vault) != (genesis.chain_id, genesis.vault):
        raise SignerRefused("wrong_domain", f"Rosters are signed for vault 0x{genesis.vault.hex()}.")
    rosters = await signer_rosters.current(conn, {update.account, genesis.account_id})
    own = rosters.get(update.account)
    wanted = Roster(update.version, update.threshold, frozenset(update.approvers))
    if wanted == own:
        return Applied(own.version)
    _require_next(update.version, own.version if own else 0)
    _require_signed(request, change, own or rosters[genesis.account_id])
    await signer_rosters.add(
        conn,
        update.account,
        version=wanted.version,
        threshold=wanted.threshold,
        members=wanted.members,
        signatures=_kept(change),
    )
    return Applied(wanted.version)


async def _apply_limits(
    conn: Connection, request: Request, update: LimitsUpdate, change: Change, genesis: Genesis
) -> Applied:
    place = {"vault": request.vault, "token": update.token}
    ruling = await signer_limits.ruling(conn, request.chain_id, **place)
    wanted = HardLimits(update.max_per_item, update.max_per_day, update.max_fee_per_gas, update.max_gas)
    if ruling == (update.version, wanted):
        return Applied(update.version)
    _require_next(update.version, ruling[0] if ruling else 0)
    rosters = await signer_rosters.current(conn, {genesis.account_id})
    _require_signed(request, change, rosters[genesis.account_id])
    version = await signer_limits.set(
        conn, request.chain_id, **place, limits=wanted, signatures=_kept(change)
    )
    return Applied(version)


async def _apply_account(
    conn: Connection, request: Request, update: AccountLimitsUpdate, change: Change, genesis: Genesis
) -> Applied:
    """Signed by the operator's approvers: an account's own could lift what bounds them."""
    place = request.chain_id, request.vault, update.token
    ruling = (await signer_account_limits.current(conn, *place, [update.account])).get(update.account)
    wanted = AccountLimits(update.version, update.max_per_day, frozenset(update.destinations))
    if ruling == wanted:
        return Applied(update.version)
    _require_next(update.version, ruling.version if ruling else 0)
    rosters = await signer_rosters.current(conn, {genesis.account_id})
    _require_signed(request, change, rosters[genesis.account_id])
    await signer_account_limits.insert(
        conn,
        update.account,
        request.chain_id,
        vault=request.vault,
        token=update.token,
        limits=wanted,
        signatures=_kept(change),
    )
    return Applied(update.version)


def _require_next(version: int, ruling: int) -> None:
    if version != ruling + 1:
        raise SignerRefused("version_out_of_order", f"Version {ruling} rules; {version} is not the next.")


def _require_signed(request: Request, change: Change, roster: Roster) -> None:
    why = quorum.why_not(request.digest(), change.signatures, roster)
    if why is not None:
        takes = f"it takes {roster.threshold} members of roster version {roster.version}, and nobody else"
        raise SignerRefused(why, f"{_SAID[why]}; {takes}.")


def _kept(change: Change) -> list[str]:
    return ["0x" + signature.hex() for signature in change.signatures]
