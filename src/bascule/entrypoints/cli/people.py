"""`pay` and `approve`: a customer of a development chain, and an approver with a key of their own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.merchant import ApiKey, ApiUrl, merchants, treasurys
from bascule.entrypoints.cli.output import AsJson, line, say
from bascule.entrypoints.cli.place import remembered
from bascule.entrypoints.failures import USAGE, CommandFailed

if TYPE_CHECKING:
    from bascule.client import Client
    from bascule.client.objects import PaymentIntent

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
    with merchants(None, None) as api:
        intent = api.payment_intents.retrieve(intent_id)
    done = asyncio.run(_pay(intent, amount, account))
    if as_json:
        line(done)
    else:
        say(f"Sent {done['amount_atomic']} base units to {done['to']}.")
        say(f"{done['hash']}, block {done['block_number']}")


async def _pay(intent: PaymentIntent, amount: str | None, account: int) -> dict[str, Any]:
    import aiohttp

    from bascule.chain.rpc import Rpc
    from bascule.domain.chain import Address, caip2
    from bascule.domain.money import Asset, parse_amount
    from bascule.entrypoints.dev.wallet import Wallet, receipt

    ready = remembered("ready")
    payers = ready["funded_accounts"]
    if account >= len(payers):
        raise CommandFailed(f"there is no funded account {account}", f"0 to {len(payers) - 1}", code=USAGE)
    action = intent["next_action"]
    if action is None:
        raise CommandFailed(
            f"{intent['id']} is {intent['status']} and waits for no payment", "create a new intent"
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
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Signs the approval (EIP-712) of a payout, of a whole batch or of a mandate, and hands it in."""
    private_key = approvers_key(keystore, approver)
    with treasurys(api_url, api_key) as api:
        approved = _approve(api, payout_or_batch_or_mandate, private_key)
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


def _approve(api: Client, id: str, private_key: str) -> dict[str, Any]:
    path = f"/v1/{_LISTS.get(id.partition('_')[0], 'payouts')}/{id}"
    waiting = _waiting(api, id, path)
    action = waiting["next_action"]
    if action is None:
        raise CommandFailed(f"{id} is {waiting['status']} and waits for no approval", "bascule explain it")
    address, signature = sign_typed_data(private_key, action["typed_data"])
    body = {"approver": address, "signature": signature}
    answer: dict[str, Any] = api.request("POST", f"{path}/approve", body)
    return answer


def _waiting(api: Client, id: str, path: str) -> dict[str, Any]:
    """What waits for approval; who is not its account is told whose key it needs."""
    from bascule.client import ApiError

    try:
        found: dict[str, Any] = api.request("GET", path)
    except ApiError as error:
        if error.status != 404:
            raise
        raise CommandFailed(
            f"{id} is nothing that this key's account has",
            "a merchant's is approved with a key of the merchant's: --api-key, or BASCULE_API_KEY",
        ) from None
    return found


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
