"""The canceller of a development installation: the vault's first one, a well-known account."""

from __future__ import annotations

from bascule.chain import nonces
from bascule.chain.caller import Caller
from bascule.domain.chain import Address
from bascule.entrypoints import cancelling, wallet_keys
from bascule.entrypoints.dev.ground import cast
from bascule.storage.database import Connection


def key() -> str:
    """Its private key in 0x-hex."""
    return cast().canceller.private_key


async def next_nonce(rpc: Caller) -> int:
    """As the chain says, where anybody may have used the account before."""
    return await nonces.count(rpc, _wallet(), "pending")


async def register(conn: Connection, chain_id: int, next_nonce: int) -> None:
    """The lane CHAIN/canceller has this account; repeatable."""
    await cancelling.register(conn, chain_id, _wallet(), next_nonce=next_nonce)


def _wallet() -> Address:
    return wallet_keys.wallet_of(key())
