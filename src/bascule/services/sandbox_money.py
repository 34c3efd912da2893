"""Money of the sandbox: real transactions of well-known development accounts, found like any other's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bascule.chain import erc20
from bascule.chain.abi import artifact
from bascule.chain.dev_node import refused
from bascule.chain.errors import NodeSays, RpcError
from bascule.domain.chain import ZERO_ADDRESS, Address, caip2, checksum, parse_address
from bascule.domain.errors import Rejected
from bascule.domain.money import SCALE, parse_amount
from bascule.services import intents
from bascule.services.intent_view import Catalog, catalog
from bascule.services.sandbox import Sandbox
from bascule.storage import payment_intents
from bascule.storage.payment_intents import IntentRow
from bascule.storage.tokens import Token


@dataclass(frozen=True, slots=True)
class Wish:
    """A payment or a gift as it was asked for, unread. party: the payer of one, the payee of the other."""

    amount: object = None
    network: str | None = None
    token: str | None = None
    currency: str | None = None
    party: object = None


async def pay(box: Sandbox, account_id: str, livemode: bool, intent_id: str, wish: Wish) -> dict[str, Any]:
    """Sends an intent what it lacks, or another amount. Raises: Rejected, NotFound, Forbidden."""
    async with box.db.read() as conn:
        await box.require_test(conn, livemode)
        row = await intents.own(conn, intent_id, account_id, livemode)
        known = await catalog(conn)
        found = await payment_intents.addresses_of(conn, [row.id])
    addresses = {each.chain_id: Address(each.address) for each in found if each.chain_id in box.nodes}
    token = _payable(box, row, known, addresses, wish)
    units = _missing(row, token) if wish.amount is None else _units(wish.amount, token)
    payer, to = _payer(box, wish.party), addresses[token.chain_id]
    held = await _call(box, token, payer, erc20.balance_calldata(payer))
    if int.from_bytes(held, "big") < units:
        raise Rejected(
            "payer_short",
            f"{checksum(payer)} has less than that of the token.",
            param="from",
            next_step="Give it more by test_helpers/tokens/faucet.",
        )
    tx_hash = await _send(box, token, payer, token.contract, erc20.transfer_calldata(to, units))
    return _sent(tx_hash, token, payer, to, units)


async def give(box: Sandbox, livemode: bool, wish: Wish) -> dict[str, Any]:
    """Mints test tokens, or sends the chain's own coin, to an address. Raises: Rejected, Forbidden."""
    known = await box.known(livemode)
    token = _given(box, known, wish)
    to = parse_address(wish.party, param="to")
    units = _units(wish.amount, token)
    issuer = box.purse.issuer
    if token.contract == ZERO_ADDRESS:
        tx_hash = await _send(box, token, issuer, to, b"", units)
    else:
        minting = artifact("TestDollar").calldata("mint", bytes(to), units)
        await _call(box, token, issuer, minting)
        tx_hash = await _send(box, token, issuer, token.contract, minting)
    return _sent(tx_hash, token, issuer, to, units)


async def deny(box: Sandbox, livemode: bool, wish: Wish, *, lifted: bool) -> dict[str, Any]:
    """The issuer of a test token denies an address, or takes that back: what pays it fails on the chain.

    Raises: Rejected, Forbidden.
    """
    known = await box.known(livemode)
    token = _given(box, known, wish)
    address, issuer = parse_address(wish.party, param="address"), box.purse.issuer
    if token.contract == ZERO_ADDRESS:
        raise Rejected("token_refuses", "The chain's own coin denies nobody.", param="currency")
    word = "unBlacklist" if lifted else "blacklist"
    denying = artifact("TestDollar").calldata(word, bytes(address))
    await _call(box, token, issuer, denying)
    tx_hash = await _send(box, token, issuer, token.contract, denying)
    return _sent(tx_hash, token, issuer, address, 0)


def _payable(
    box: Sandbox, row: IntentRow, known: Catalog, addresses: Mapping[int, Address], wish: Wish
) -> Token:
    """A token where the intent has an address; one it does not accept only when it is named."""
    chain_ids = set(addresses)
    if wish.network is not None:
        chain_ids &= {box.chain_id(known, wish.network)}
    here = [t for t in known.tokens.values() if t.chain_id in chain_ids and t.contract != ZERO_ADDRESS]
    if wish.token is not None:
        return _named(here, wish.token)
    for token in here:
        if token.id in row.accepted_tokens:
            return token
    raise Rejected(
        "network_unsupported",
        "The intent accepts nothing on such a development network.",
        param=None if wish.network is None else "network",
        next_step="Create the intent with a development network among those it accepts.",
    )


def _given(box: Sandbox, known: Catalog, wish: Wish) -> Token:
    chain_ids = set(box.nodes) if wish.network is None else {box.chain_id(known, wish.network)}
    here = [token for token in known.tokens.values() if token.chain_id in chain_ids]
    if wish.token is not None:
        if wish.currency is not None:
            raise Rejected("parameter_invalid", "Give token or currency, not both.", param="currency")
        return _named(here, wish.token)
    if wish.currency is None:
        raise Rejected("parameter_missing", "Give token or currency.", param="currency")
    found = [token for token in here if token.currency == wish.currency]
    if not found:
        raise Rejected("currency_unsupported", "No token here has this currency.", param="currency")
    if len(found) > 1:
        raise Rejected("token_ambiguous", "Several tokens have this currency; name one.", param="currency")
    return found[0]


def _named(here: Sequence[Token], id: str) -> Token:
    for token in here:
        if token.id == id:
            return token
    raise Rejected("token_unknown", f"No such token here: {id!r:.70}.", param="token")


def _payer(box: Sandbox, text: object) -> Address:
    if text is None:
        return box.purse.payers[-1]
    payer = parse_address(text, param="from")
    if payer not in (*box.purse.payers, box.purse.suspect):
        raise Rejected(
            "payer_unknown",
            "Only funded development accounts pay here.",
            param="from",
            next_step=f"One of {', '.join(checksum(each) for each in box.purse.payers)}.",
        )
    return payer


def _units(amount: object, token: Token) -> int:
    return parse_amount(amount, token.currency).to_token(token.asset).units


def _missing(row: IntentRow, token: Token) -> int:
    unit: int = 10 ** (SCALE - token.decimals)
    units = -(-max(0, row.due - row.received) // unit)
    if units == 0 or token.currency != row.currency:
        raise Rejected(
            "parameter_missing", "Nothing of this token is missing; say how much to send.", param="amount"
        )
    return units


async def _call(box: Sandbox, token: Token, sender: Address, data: bytes) -> bytes:
    message = {"from": checksum(sender), "to": checksum(token.contract), "data": "0x" + data.hex()}
    try:
        answer = await box.nodes[token.chain_id].rpc.call_as(str, "eth_call", message, "latest")
    except RpcError as error:
        if error.says is not NodeSays.REVERTED:
            raise refused(error) from None
        raise Rejected(
            "token_refuses",
            f"The token's contract refuses: {error.message:.200}.",
            param="token",
            next_step="Only test dollars that the first development account issued can be minted.",
        ) from None
    return bytes.fromhex(answer[2:])


async def _send(box: Sandbox, token: Token, sender: Address, to: Address, data: bytes, value: int = 0) -> str:
    try:
        return await box.purse.send(box.nodes[token.chain_id].rpc, token.chain_id, sender, to, data, value)
    except RpcError as error:
        raise refused(error) from None


def _sent(tx_hash: str, token: Token, sender: Address, to: Address, units: int) -> dict[str, Any]:
    return {
        "object": "test_helpers.transaction",
        "network": caip2(token.chain_id),
        "tx_hash": tx_hash,
        "token": token.id,
        "currency": token.currency,
        "amount_atomic": str(units),
        "from": checksum(sender),
        "to": checksum(to),
    }
