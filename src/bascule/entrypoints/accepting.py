"""Accepting a token as payment: what its contract says of itself is read, then it is one of ours.

For plain ERC-20 tokens, whose transfers move exactly what they log. Money out in it needs more: a policy,
the vault's limit and the signer's.
"""

from __future__ import annotations

import re

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from bascule.chain.abi import artifact
from bascule.chain.caller import Caller
from bascule.chain.errors import RpcError
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Rejected
from bascule.domain.ids import Prefix
from bascule.domain.money import SCALE
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import audit, tokens
from bascule.storage.database import Database
from bascule.storage.networks import Network
from bascule.storage.tokens import Token

CURRENCY = re.compile(r"[a-z0-9]{2,12}")


async def accept(
    db: Database,
    rpc: Caller,
    network: Network,
    contract: Address,
    currency: str | None,
    *,
    clock: Clock,
    entropy: Entropy,
) -> Token:
    """The token, accepted from now on; again is harmless. db: under the owner's login.

    currency: what intents call it, else the contract's symbol in lower case. Raises: Rejected when the
    contract is no token that can be counted, Conflict when it is known with another currency or decimals.
    """
    decimals = await _decimals(rpc, contract)
    name, symbol = await _text(rpc, contract, "name"), await _text(rpc, contract, "symbol")
    called = (symbol.lower() if currency is None else currency) or "?"
    if not CURRENCY.fullmatch(called):
        raise Rejected(
            "currency_invalid",
            f"{called!r:.40} cannot be a currency: 2 to 12 lower-case letters and digits are needed",
            next_step="name one with --currency",
        )
    made = Token(
        new_id(Prefix.TOKEN, clock, entropy), network.chain_id, contract, called, name, decimals, True
    )
    async with db.transaction() as conn:
        known = await tokens.publish(conn, made)
        await audit.append(conn, actor="cli", action="token.accept", object_id=known.id)
    return known


async def _decimals(rpc: Caller, contract: Address) -> int:
    answer = await _ask(rpc, contract, "decimals")
    found = int.from_bytes(answer, "big") if len(answer) == 32 else None
    if found is None or found > SCALE:
        said = "does not say its decimals" if found is None else f"has {found} decimals, at most {SCALE} fit"
        raise Rejected(
            "token_unfit",
            f"the contract {checksum(contract)} {said}",
            next_step="is it an ERC-20 token, and on this chain?",
        )
    return found


async def _text(rpc: Caller, contract: Address, method: str) -> str:
    """A text the token says of itself; empty when it says none (ERC-20 leaves both to it)."""
    try:
        return str(decode(["string"], await _ask(rpc, contract, method))[0]).strip()
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return ""


async def _ask(rpc: Caller, contract: Address, method: str) -> bytes:
    call = {"to": "0x" + contract.hex(), "data": "0x" + artifact("TestDollar").calldata(method).hex()}
    try:
        return bytes.fromhex((await rpc.call_as(str, "eth_call", call, "latest"))[2:])
    except RpcError as error:
        if error.data is None and "revert" not in error.message:
            raise
        return b""
