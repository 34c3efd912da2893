"""/r/{token}: where a customer says to which address money goes back, and sees what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from bascule.domain.attempt import AttemptState
from bascule.domain.chain import Address, Hash, checksum, hex32
from bascule.domain.errors import BasculeError, Conflict, NotFound, Rejected
from bascule.domain.money import TokenAmount
from bascule.entrypoints.web.claim_view import Claim, view
from bascule.entrypoints.web.pages import FORM_HEADERS, page
from bascule.storage import accounts, attempts, networks, payment_intents, payouts, tokens
from bascule.storage.database import Connection
from bascule.storage.refunds import RefundRow

if TYPE_CHECKING:
    from bascule.entrypoints.api.deps import ApiDeps

BODY_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Given:
    """What a form sent. address: as typed; confirmed: whether it was looked at twice."""

    address: str
    confirmed: bool


def mount(app: FastAPI, deps: ApiDeps) -> None:
    """Adds the page; looking at it changes nothing."""

    async def show(request: Request) -> Response:
        try:
            async with deps.db.read() as conn:
                row = await deps.refunds.of_link(conn, request.path_params["token"])
                return _page(await _claim(conn, row), deps)
        except NotFound:
            return page("claim_missing.html", status=404, private=True)
        except BasculeError:
            return page("checkout_stale.html", status=503, private=True)

    async def take(request: Request) -> Response:
        try:
            return await _taken(deps, request, request.path_params["token"])
        except ClientDisconnect:
            return Response(status_code=499)  # which nobody reads, and which is no fault of ours
        except NotFound:
            return page("claim_missing.html", status=404, private=True)
        except BasculeError:
            return page("checkout_stale.html", status=503, private=True)

    app.add_route("/r/{token}", show, ["GET"], include_in_schema=False)
    app.add_route("/r/{token}", take, ["POST"], include_in_schema=False)


async def _taken(deps: ApiDeps, request: Request, token: str) -> Response:
    """What the form asks for: another look, or the claim. Raises: NotFound, for a link that is none."""
    given = Given("", confirmed=False)
    try:
        given = await _read(request)
        if not given.confirmed:
            return await _review(deps, token, given)
        async with deps.db.transaction() as conn:
            await deps.refunds.claim(conn, token, given.address)
            deps.failpoints.hit("claim.before_commit")
        deps.failpoints.hit("claim.after_commit")
        return RedirectResponse(request.url.path, 303, FORM_HEADERS | {"cache-control": "no-store"})
    except NotFound:
        raise
    except Rejected as error:
        return await _refused(deps, token, error, given)


async def _review(deps: ApiDeps, token: str, given: Given) -> Response:
    """The address once more, before anything is written. Raises: as claiming it would."""
    async with deps.db.read() as conn:
        row = await deps.refunds.of_link(conn, token)
        to = await deps.refunds.look_at(conn, row, given.address)
        return _page(await _claim(conn, row), deps, review=to, typed=given.address)


async def _refused(deps: ApiDeps, token: str, error: Rejected, given: Given) -> Response:
    async with deps.db.read() as conn:
        row = await deps.refunds.of_link(conn, token)
        shown = await _claim(conn, row)
    if isinstance(error, Conflict):  # the link is used or over, and the page says so by itself
        return _page(shown, deps, status=409)
    return _page(shown, deps, status=400, refused=error, typed=given.address)


def _page(
    claim: Claim,
    deps: ApiDeps,
    *,
    status: int = 200,
    review: Address | None = None,
    refused: Rejected | None = None,
    typed: str = "",
) -> Response:
    values = view(claim, deps.clock.now(), review=review, refused=refused, typed=typed)
    return page("claim.html", status=status, private=True, headers=FORM_HEADERS, **values)


async def _read(request: Request) -> Given:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_MAX:
            raise Rejected("address_invalid", "An address is 0x and 40 hexadecimal digits.", param="address")
    form = parse_qs(body.decode("utf-8", "replace"))
    return Given(form.get("address", [""])[0].strip(), form.get("confirm") == ["yes"])


async def _claim(conn: Connection, row: RefundRow) -> Claim:
    token = await tokens.get(conn, row.token_id)
    intent = None if row.payment_intent_id is None else await payment_intents.get(conn, row.payment_intent_id)
    assert token is not None, "a refund's token is for ever"
    account, network = await accounts.get(conn, row.account_id), await networks.get(conn, token.chain_id)
    payout = None if row.payout_id is None else await payouts.get(conn, row.payout_id)
    tried = {} if payout is None else await attempts.of_payouts(conn, [payout.id])
    final = [each for found in tried.values() for each in found if each.state is AttemptState.FINAL]
    return Claim(
        refund=row,
        amount=TokenAmount(row.amount, token.asset).display(),
        currency=token.currency.upper(),
        network=f"eip155:{token.chain_id}" if network is None else network.name,
        merchant="The merchant" if account is None else account.name,
        description=None if intent is None else intent.description,
        to=None if row.destination is None else checksum(row.destination),
        tx_hash=hex32(Hash(final[-1].tx_hash)) if final else None,
    )
