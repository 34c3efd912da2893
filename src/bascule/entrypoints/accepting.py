"""Accepting a token as payment: what its contract says of itself is read, then it is one of ours.

For plain ERC-20 tokens, whose transfers move exactly what they log. Money out in it needs more: a policy,
the vault's limit and the signer's.
"""

from __future__ import annotations

import re

from bascule.chain import token_facts
from bascule.chain.caller import Caller
from bascule.chain.token_facts import TokenFacts
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import NotFound, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.money import SCALE, parse_amount
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
    facts = await token_facts.read(rpc, contract)
    decimals = _decimals(facts, contract)
    called = (facts.symbol.lower() if currency is None else currency) or "?"
    if not CURRENCY.fullmatch(called):
        raise Rejected(
            "currency_invalid",
            f"{called!r:.40} cannot be a currency: 2 to 12 lower-case letters and digits are needed",
            next_step="name one with --currency",
        )
    made = Token(
        new_id(Prefix.TOKEN, clock, entropy), network.chain_id, contract, called, facts.name, decimals, True
    )
    async with db.transaction() as conn:
        known = await tokens.publish(conn, made)
        await audit.append(conn, actor="cli", action="token.accept", object_id=known.id)
    return known


async def set_floors(db: Database, token_id: str, dust: str | None, minimum: str | None) -> Token:
    """The token with new floors, decimal amounts of its currency; None leaves one as it is.

    Raises: NotFound, Rejected when an amount is not one of this token.
    """
    async with db.transaction() as conn:
        token = await tokens.get(conn, token_id)
        if token is None:
            raise NotFound("token_unknown", f"there is no token {token_id}", next_step="bascule tokens list")
        floors = {
            "dust": token.dust if dust is None else _units(dust, token, "--dust"),
            "minimum": token.minimum if minimum is None else _units(minimum, token, "--minimum"),
        }
        changed = await tokens.set_floors(conn, token.id, **floors)
        assert changed is not None, "tokens are never deleted"
        written = {name: str(units) for name, units in floors.items()}
        await audit.append(conn, actor="cli", action="token.floors", object_id=token.id, details=written)
    return changed


def _units(text: str, token: Token, param: str) -> int:
    if text == "0.00":
        return 0
    try:
        money = parse_amount(text, token.currency, max_decimals=max(2, token.decimals))
        return money.to_token(token.asset).units
    except Rejected as wrong:
        raise Rejected(wrong.code, f"{param}: {wrong.message}", next_step='e.g. "0.01"') from None


def _decimals(facts: TokenFacts, contract: Address) -> int:
    found = facts.decimals
    if found is None or found > SCALE:
        said = "does not say its decimals" if found is None else f"has {found} decimals, at most {SCALE} fit"
        raise Rejected(
            "token_unfit",
            f"the contract {checksum(contract)} {said}",
            next_step="is it an ERC-20 token, and on this chain?",
        )
    return found
