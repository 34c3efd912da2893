"""Tokens against the chain: what is configured or stored of a contract must be what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.chain import token_facts
from bascule.chain.caller import Caller
from bascule.chain.token_facts import domain_separator
from bascule.domain.chain import ChainId, checksum
from bascule.entrypoints.wiring import ChainSettings, Unfit
from bascule.settings.tokens import TokenSettings
from bascule.storage.tokens import Token

CORRECT = "correct the token in [[chains]] tokens, or the chain's id and node"
PUBLISH = "run `bascule chains publish`, or take the token out of [[chains]] tokens"


async def check(rpc: Caller, chain_id: ChainId, token: TokenSettings) -> str:
    """What the contract says, in a line. Raises: Unfit when it is not as configured, or as `Caller.call`."""
    facts = await token_facts.read(rpc, token.contract)
    called = f"{token.currency} at {checksum(token.contract)} on chain {chain_id}"
    if not facts.stands:
        raise Unfit(f"{called} has no code", CORRECT)
    if facts.decimals != token.decimals:
        said = "does not say its decimals" if facts.decimals is None else f"has {facts.decimals} decimals"
        raise Unfit(f"{called} {said}, the configuration says {token.decimals}", CORRECT)
    if token.symbol is not None and facts.symbol != token.symbol:
        raise Unfit(
            f"{called} has the symbol {facts.symbol!r:.40}, the configuration says {token.symbol!r}", CORRECT
        )
    if token.eip3009 is not None and facts.domain != domain_separator(
        token.eip3009.name, token.eip3009.version, chain_id, token.contract
    ):
        raise Unfit(
            f"{called} signs under another domain than eip3009 {token.eip3009.name!r},"
            f" version {token.eip3009.version!r}",
            CORRECT,
        )
    return f"{facts.symbol or 'no symbol'}, {facts.decimals} decimals"


async def require_tokens(rpc: Caller, chain: ChainSettings, stored: Sequence[Token]) -> None:
    """Returns when every token that counts on the chain is as it was published. Raises: Unfit, as `check`.

    stored: all tokens of the chain, as the database has them.
    """
    configured = {token.contract: token for token in chain.tokens}
    accepted = {token.contract: token for token in stored if token.accepted}
    for token in chain.tokens:
        known = accepted.get(token.contract)
        if known is None:
            raise Unfit(f"{token} on chain {chain.id} is configured, but not published", PUBLISH)
        if (known.currency, known.decimals) != (token.currency, token.decimals):
            raise Unfit(
                f"{token} on chain {chain.id} is configured with {token.decimals} decimals, and published as"
                f" {known.currency} with {known.decimals}; those never change",
                CORRECT,
            )
    for known in accepted.values():
        plain = TokenSettings(known.currency, known.contract, known.decimals)
        await check(rpc, chain.id, configured.get(known.contract, plain))
