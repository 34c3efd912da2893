"""Publishing a chain: what the configuration says of it becomes the rows every process works by.

The chain is asked first; what does not agree with it changes nothing. Publishing again changes what may
change (name, contracts, what is offered) and leaves the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bascule.chain import deployed, heads
from bascule.chain.caller import Caller
from bascule.domain.authorization import SigningDomain
from bascule.domain.chain import ZERO_ADDRESS, Address, checksum
from bascule.domain.errors import Conflict
from bascule.domain.finality import FinalityPolicy
from bascule.domain.ids import Prefix
from bascule.entrypoints import token_checks
from bascule.entrypoints.wiring import BadConfiguration, ChainSettings, Seams, Settings
from bascule.services.seams import new_id
from bascule.settings.tokens import TokenSettings
from bascule.storage import addresses, audit, authorizations, networks, tokens
from bascule.storage.database import Connection, Database
from bascule.storage.networks import Network
from bascule.storage.tokens import Token

_NEEDED = ("PayoutVault", "DepositFactory", "DepositForwarder")


@dataclass(frozen=True, slots=True)
class Published:
    """What is served now. withdrawn: tokens that were offered until now."""

    network: Network
    offered: tuple[Token, ...]
    withdrawn: tuple[Token, ...]


async def publish(db: Database, rpc: Caller, settings: Settings, chain: ChainSettings) -> Published:
    """Writes the chain's network, own addresses and tokens. db: under the owner's login.

    Raises: BadConfiguration, Unfit, ForeignCode, WrongChain; Conflict when a token is known otherwise.
    """
    await heads.require_chain(rpc, chain.id)
    network = _network(settings, chain)
    await deployed.require_code(rpc, {at: name for name, at in _contracts(settings, chain.id).items()})
    for token in chain.tokens:
        await token_checks.check(rpc, chain.id, token)
    seams = Seams(settings)
    async with db.transaction() as conn:
        known = await networks.get(conn, chain.id)
        if known is not None and known.livemode != chain.livemode:
            raise Conflict(
                "network_unexpected_state",
                f"Chain {chain.id} is served with livemode {known.livemode}; that never changes.",
            )
        if known is not None:  # the watcher adopts another finality, and keeps who changed it
            network = replace(
                network,
                finality=known.finality,
                start_block=known.start_block,
                explorer_url=known.explorer_url,
            )
        await networks.publish(conn, network)
        assert network.vault is not None
        assert network.collector is not None
        await addresses.add_own(conn, chain.id, network.vault, "vault")
        await addresses.add_own(conn, chain.id, network.collector, "collector")
        native = TokenSettings(chain.native, ZERO_ADDRESS, 18)
        await _token(conn, seams, chain, native, accepted=False)
        offered = [await _token(conn, seams, chain, token, accepted=True) for token in chain.tokens]
        withdrawn = await tokens.withdraw(conn, chain.id, [token.contract for token in chain.tokens])
        told = {"offered": [t.id for t in offered], "withdrawn": [t.id for t in withdrawn]}
        await audit.append(
            conn, actor="cli", action="chain.publish", object_id=str(chain.id), details=told
        )  # fmt: skip
    return Published(network, tuple(offered), tuple(withdrawn))


def _network(settings: Settings, chain: ChainSettings) -> Network:
    places = _contracts(settings, chain.id)
    if missing := [name for name in _NEEDED if name not in places]:
        raise BadConfiguration(
            "deployments",
            f"name no {missing[0]} on chain {chain.id}; run `bascule contracts deploy --chain {chain.name}`",
            "[[deployments]] with chain, contract, address and code_hash",
        )
    if chain.contracts is None:
        raise BadConfiguration(
            "BASCULE_CHAINS",
            f"says nothing of the contracts of chain {chain.id}",
            '[chains.contracts] with collector = "0x…" (docs/operating/contracts.md)',
        )
    return Network(
        chain_id=chain.id,
        name=chain.name,
        livemode=chain.livemode,
        finality=chain.finality or FinalityPolicy("finalized"),
        collector=chain.contracts.collector,
        vault=places["PayoutVault"],
        deposit_factory=places["DepositFactory"],
        forwarder=places["DepositForwarder"],
    )


def _contracts(settings: Settings, chain_id: int) -> dict[str, Address]:
    """Our contracts there by name; test dollars are none of the network's."""
    found: dict[str, Address] = {}
    for each in settings.deployments:
        if each.chain != chain_id or each.contract not in _NEEDED:
            continue
        if each.contract in found:
            raise BadConfiguration(
                "deployments",
                f"name two {each.contract} on chain {chain_id}, {checksum(found[each.contract])} and"
                f" {checksum(each.address)}",
                "one of each contract and chain",
            )
        found[each.contract] = each.address
    return found


async def _token(
    conn: Connection, seams: Seams, chain: ChainSettings, token: TokenSettings, *, accepted: bool
) -> Token:
    made_id = new_id(Prefix.TOKEN, seams.clock, seams.entropy)
    published = await tokens.publish(
        conn,
        Token(made_id, chain.id, token.contract, token.currency, token.name, token.decimals, accepted),
    )
    if token.eip3009 is not None:
        signing = SigningDomain(token.eip3009.name, token.eip3009.version)
        await authorizations.publish_domain(conn, published.id, signing)
    return published
