"""`pay` and `approve`: a customer of a development chain, and an approver with a key of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urljoin

import typer

from bascule.entrypoints.cli.output import AsJson, line, say
from bascule.entrypoints.cli.place import remembered
from bascule.entrypoints.failures import UNREACHABLE, USAGE, CommandFailed

_LISTS = {"pob": "payout_batches", "mnd": "mandates"}


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(pay)
    app.command()(approve)


def pay(
    intent_id: str,
    amount: Annotated[
        str | None, typer.Option(help="Another amount than the one that is missing, e.g. 10.50.")
    ] = None,
    account: Annotated[int, typer.Option(help="Which of the funded accounts pays, from 0.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Pays a payment intent of a development installation from a funded account."""
    done = asyncio.run(_pay(intent_id, amount, account))
    if as_json:
        line(done)
    else:
        say(f"Sent {done['amount_atomic']} base units to {done['to']}.")
        say(f"{done['hash']}, block {done['block_number']}")


async def _pay(intent_id: str, amount: str | None, account: int) -> dict[str, Any]:
    import aiohttp

    from bascule.chain.rpc import Rpc
    from bascule.domain.chain import Address, caip2
    from bascule.domain.money import Asset, parse_amount
    from bascule.entrypoints.dev.wallet import Wallet, receipt

    ready = remembered("ready")
    payers = ready["funded_accounts"]
    if account >= len(payers):
        raise CommandFailed(f"there is no funded account {account}", f"0 to {len(payers) - 1}", code=USAGE)
    intent = await call(ready["api_url"], ready["secret_key"], "GET", f"/v1/payment_intents/{intent_id}")
    action = intent["next_action"]
    if action is None:
        raise CommandFailed(
            f"{intent_id} is {intent['status']} and waits for no payment", "create a new intent"
        )
    details = action["display_deposit_details"]["deposit_addresses"][caip2(ready["chain_id"])]
    token = details["supported_tokens"][0]
    units = int(token["amount_atomic"])
    contract = Address(bytes.fromhex(token["contract"][2:]))
    if amount is not None:
        asset = Asset(ready["chain_id"], contract, token["currency"], token["decimals"])
        units = parse_amount(amount, token["currency"]).to_token(asset).units
    async with aiohttp.ClientSession() as session:
        rpc = Rpc(ready["rpc_url"], session=session, guard=lambda: None)
        wallet = Wallet(rpc, ready["chain_id"], payers[account]["private_key"])
        tx_hash = await wallet.transfer(contract, Address(bytes.fromhex(details["address"][2:])), units)
        mined = await receipt(rpc, tx_hash)
    return {
        "hash": tx_hash,
        "block_number": mined.block_number,
        "to": details["address"],
        "amount_atomic": str(units),
    }


def approve(
    payout_or_batch_or_mandate: str,
    keystore: Annotated[
        Path | None, typer.Option(help="The approver's key file (Web3 Secret Storage).")
    ] = None,
    approver: Annotated[
        int | None, typer.Option(help="On a development installation: the approver's number, from 1.", min=1)
    ] = None,
    api_url: Annotated[str | None, typer.Option(help="The API; else the development installation's.")] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="BASCULE_API_KEY", help="A key of the payout's account.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Signs the approval (EIP-712) of a payout, of a whole batch or of a mandate, and hands it in."""
    private_key = approvers_key(keystore, approver)
    url = api_url or remembered("ready")["api_url"]
    key = api_key or remembered("ready")["treasury"]["secret_key"]
    approved = asyncio.run(_approve(url, key, payout_or_batch_or_mandate, private_key))
    if as_json:
        line(approved)
    else:
        given, needed = len(approved["approvals"]), approved["approvals_required"]
        say(f"{approved['id']} ({_sums(approved)}) is {approved['status']}: {given} of {needed} approvals.")


def _sums(approved: dict[str, Any]) -> str:
    if approved["object"] == "mandate":
        of = approved["currency"]
        return f"{approved['max_per_item']} {of} at once, {approved['max_per_day']} {of} a day"
    sums = approved.get("totals", [approved])
    return ", ".join(f"{each['amount']} {each['currency']}" for each in sums)


def approvers_key(keystore: Path | None, approver: int | None) -> str:
    """The key of whoever approves, in hex. Raises: CommandFailed."""
    if (keystore is None) == (approver is None):
        raise CommandFailed(
            "whose approval is it?", "--keystore FILE, or --approver N in development", code=USAGE
        )
    if keystore is not None:
        return _open(keystore)
    approvers = remembered("ready")["treasury"]["approvers"]
    if approver is None or approver > len(approvers):
        raise CommandFailed(f"there is no approver {approver}", f"1 to {len(approvers)}", code=USAGE)
    return str(approvers[approver - 1]["private_key"])


async def _approve(url: str, key: str, id: str, private_key: str) -> dict[str, Any]:
    path = f"/v1/{_LISTS.get(id.partition('_')[0], 'payouts')}/{id}"
    waiting = await call(url, key, "GET", path)
    action = waiting["next_action"]
    if action is None:
        raise CommandFailed(f"{id} is {waiting['status']} and waits for no approval", "bascule explain it")
    address, signature = sign_typed_data(private_key, action["typed_data"])
    body = {"approver": address, "signature": signature}
    return await call(url, key, "POST", f"{path}/approve", body)


def sign_typed_data(private_key: str, typed_data: dict[str, Any]) -> tuple[str, str]:
    """An address and its signature over EIP-712 data, as a wallet makes it."""
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    signer = Account.from_key(private_key)
    signed = signer.sign_message(encode_typed_data(full_message=typed_data))
    return str(signer.address), "0x" + bytes(signed.signature).hex()


def _open(path: Path) -> str:
    from eth_account import Account

    password = typer.prompt("Password", hide_input=True, err=True)
    try:
        return "0x" + bytes(Account.decrypt(json.loads(path.read_text(encoding="utf-8")), password)).hex()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandFailed(f"{path} cannot be opened: {error}", "check the file and its password") from None


async def call(
    url: str,
    key: str,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    file: AsyncIterator[bytes] | None = None,
) -> dict[str, Any]:
    """One request to our API; file: a CSV file instead of JSON. Raises: CommandFailed in the API's words."""
    import aiohttp

    headers = {"Authorization": f"Bearer {key}"}
    if method == "POST":
        import secrets

        headers["Idempotency-Key"] = secrets.token_hex(16)
    if file is not None:
        headers["Content-Type"] = "text/csv"
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, url + path, json=body, data=file) as response,
        ):
            answer: dict[str, Any] = await response.json(content_type=None)
    except aiohttp.ClientError as error:
        raise CommandFailed(
            f"the API at {url} does not answer: {error}", "is it running?", code=UNREACHABLE
        ) from None
    if response.status >= 400:
        problem = answer["error"]
        raise CommandFailed(
            f"{problem['message']} ({problem['code']})",
            problem.get("next_step") or "see " + urljoin(url + "/", problem["doc_url"]),
        )
    return answer
