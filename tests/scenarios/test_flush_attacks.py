"""Flushes, attacked: who holds the submitter's login and the signer's socket pays the collector alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, LiteralString

import msgspec
import pytest
from psycopg import errors

from bascule.domain import forwarder
from bascule.domain.chain import Address, parse_address
from bascule.entrypoints.signer_client import SignerClient
from bascule.services.signer import Signer
from bascule.services.signing_intents import (
    FeeOffer,
    FillIntent,
    FlushIntent,
    FlushItem,
    Intent,
    Signed,
    SignerRefused,
)
from bascule.signing.keystore import LocalKey
from bascule.storage import signer_wallets
from bascule.storage.database import Database
from tests.support.flushing import SWEEPER, Sweep, sweep
from tests.support.money_out import SEED, OpenAs

FEES = FeeOffer(2 * 10**9, 10**9, 400_000)
THIEF = bytes([0x66]) * 20


@pytest.fixture
async def world(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Sweep]:
    async with sweep(db_as, tmp_path) as built:
        yield built


def flush_of(world: Sweep, **changes: Any) -> FlushIntent:
    """A flush of the first deposit address there could be, with something changed."""
    network = world.stage.network
    assert network.deposit_factory is not None
    changes.setdefault("factory", network.deposit_factory)
    place = changes.pop("place", (0, 0))
    at = forwarder.deposit_address(Address(changes["factory"]), SEED, *place)
    intent = FlushIntent(
        chain_id=network.chain_id,
        wallet=parse_address(world.stage.node.accounts[SWEEPER].address),
        nonce=0,
        epoch=1,
        fees=FEES,
        factory=network.deposit_factory,
        token=world.stage.token.contract,
        items=(FlushItem(*place, at),),
    )
    return msgspec.structs.replace(intent, **changes)


async def ask(world: Sweep, intent: Intent) -> Signed:
    async with SignerClient(world.stage.socket, guard=lambda: None) as signer:
        return await signer.sign(intent)


async def refusal(world: Sweep, intent: Intent) -> str:
    with pytest.raises(SignerRefused) as refused:
        await ask(world, intent)
    return refused.value.code


async def test_signer_flushes_by_its_own_factory_tokens_seed_wallets_and_limits_alone(world: Sweep) -> None:
    lane = parse_address(world.stage.wallet.address)
    ours = flush_of(world).items[0].address
    tricks: dict[str, tuple[Intent, str]] = {
        "another contract": (flush_of(world, factory=THIEF), "token_not_allowed"),
        "the vault": (flush_of(world, factory=parse_address(world.stage.vault)), "token_not_allowed"),
        "another token": (flush_of(world, token=THIEF), "token_not_allowed"),
        "the native coin": (flush_of(world, token=bytes(20)), "token_not_allowed"),
        "another chain": (flush_of(world, chain_id=1), "wallet_unknown"),
        "a lane's wallet": (flush_of(world, wallet=lane), "wallet_unknown"),
        "a stranger's wallet": (flush_of(world, wallet=THIEF), "wallet_unknown"),
        "an address of somebody else": (flush_of(world, items=(FlushItem(0, 0, THIEF),)), "items_refused"),
        "another address epoch": (flush_of(world, items=(FlushItem(1, 0, ours),)), "items_refused"),
        "another number": (flush_of(world, items=(FlushItem(0, 1, ours),)), "items_refused"),
        "nothing": (flush_of(world, items=()), "intent_malformed"),
        "one address twice": (flush_of(world, items=(FlushItem(0, 0, ours),) * 2), "intent_malformed"),
        "a number out of range": (flush_of(world, items=(FlushItem(0, 2**64, ours),)), "intent_malformed"),
        "a fee beyond the cap": (flush_of(world, fees=FeeOffer(10**13, 1, 400_000)), "fee_above_cap"),
        "gas beyond the cap": (flush_of(world, fees=FeeOffer(10**9, 1, 20_000_000)), "gas_above_cap"),
        "a fill with a tip for the miner": (
            FillIntent(
                world.stage.network.chain_id, flush_of(world).wallet, 0, 1, FeeOffer(10**13, 10**13, 21_000)
            ),
            "fee_above_cap",
        ),
    }

    answered = {name: await refusal(world, intent) for name, (intent, _) in tricks.items()}

    assert answered == {name: code for name, (_, code) in tricks.items()}
    assert await world.stage.rows("SELECT count(*) FROM signer.slots") == [(0,)]
    assert await world.stage.rows("SELECT count(*) FROM signer.refusals") == [(len(tricks),)]


async def test_nonce_of_the_sweeper_has_one_content_for_ever_and_epochs_only_grow(world: Sweep) -> None:
    first = await ask(world, flush_of(world, epoch=2))

    assert await refusal(world, flush_of(world, epoch=1)) == "epoch_stale"
    assert await refusal(world, flush_of(world, epoch=2, place=(0, 1))) == "slot_taken"
    fill = FillIntent(world.stage.network.chain_id, flush_of(world).wallet, 0, 2, FEES)
    assert await refusal(world, msgspec.structs.replace(fill, fees=FeeOffer(1, 1, 21_000))) == "slot_taken"
    assert await ask(world, flush_of(world, epoch=3)) == first
    dearer = await ask(world, flush_of(world, epoch=3, fees=FeeOffer(3 * 10**9, 2 * 10**9, 400_000)))
    assert dearer != first
    kinds = await world.stage.rows("SELECT kind, nonce FROM signer.slots")
    assert kinds == [("flush", 0)]


async def test_kill_switch_stops_flushes_and_lets_the_nonce_be_filled(world: Sweep) -> None:
    wallet = Address(flush_of(world).wallet)
    async with world.stage.owner.transaction() as conn:
        await signer_wallets.freeze(conn, world.stage.network.chain_id, wallet, frozen=True)

    assert await refusal(world, flush_of(world)) == "wallet_frozen"

    fill = FillIntent(world.stage.network.chain_id, wallet, 0, 1, FeeOffer(2 * 10**9, 10**9, 21_000))
    assert (await ask(world, fill)).raw


async def test_signer_without_the_seed_signs_no_flush(world: Sweep) -> None:
    key = LocalKey(bytes.fromhex(world.stage.node.accounts[SWEEPER].private_key[2:]))
    signer = Signer(world.stage.signers_db, [key], world.stage.clock)

    with pytest.raises(SignerRefused) as refused:
        await signer.sign(flush_of(world))
    assert refused.value.code == "seed_missing"


FORBIDDEN: tuple[tuple[str, LiteralString], ...] = (
    ("api", "INSERT INTO flushes SELECT * FROM flushes"),
    ("api", "UPDATE flushes SET state = 'done'"),
    ("workers", "UPDATE flushes SET state = 'withdrawn', ended_at = now()"),
    ("workers", "UPDATE flush_items SET outcome = 'released'"),
    ("submitters", "UPDATE flushes SET factory = decode(repeat('66', 20), 'hex')"),
    ("submitters", "UPDATE flush_items SET address = decode(repeat('66', 20), 'hex')"),
    ("submitters", "INSERT INTO flushes SELECT * FROM flushes"),
    ("owner", "UPDATE flushes SET collector = decode(repeat('66', 20), 'hex')"),
)


async def test_no_login_makes_of_a_flush_what_it_is_not_for(world: Sweep) -> None:
    await world.request("20.00")
    logins: dict[str, Database] = {
        "api": world.stage.api,
        "workers": world.workers_db,
        "submitters": world.stage.submitters_db,
        "owner": world.stage.owner,
    }

    for who, statement in FORBIDDEN:
        async with logins[who].read() as conn:
            with pytest.raises(errors.InsufficientPrivilege):
                await conn.execute(statement)
