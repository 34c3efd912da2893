"""Which transfers are kept: those that touch addresses we watch at their height."""

from bascule.domain.chain import Address, Hash
from bascule.domain.finality import FinalityPolicy
from bascule.domain.ids import Prefix
from bascule.services.seams import SystemClock, SystemEntropy, new_id
from bascule.storage import addresses, blocks, networks, tokens, transfers
from bascule.storage.addresses import Opening
from bascule.storage.database import Connection, Database
from bascule.storage.networks import Network
from bascule.storage.tokens import Token
from bascule.storage.transfers import Transfer
from tests.storage.test_blocks import CHAIN, block

TOKEN, UNKNOWN = Address(b"\x07" * 20), Address(b"\x08" * 20)
VAULT, PAYER, OTHER = Address(b"\x01" * 20), Address(b"\x02" * 20), Address(b"\x03" * 20)


def transfer(number: int, index: int, dst: Address, token: Address = TOKEN, src: Address = PAYER) -> Transfer:
    return Transfer(block(number).hash, index, number, Hash(b"\x05" * 32), token, src, dst, 2**256 - 1, index)


async def set_up(conn: Connection) -> None:
    """The vault is opened at block 10 for the token; blocks 10 to 12 are stored."""
    await networks.publish(
        conn, Network(CHAIN, "local", False, FinalityPolicy("finalized"), VAULT, None, None, None)
    )
    await tokens.publish(conn, Token("tok_1", CHAIN, TOKEN, "usdt", "", 6, True))
    await addresses.add_own(conn, CHAIN, VAULT, "vault")
    await blocks.record(
        conn,
        CHAIN,
        [blocks.Read(block(10), "bloom"), blocks.Read(block(11), "bloom"), blocks.Read(block(12), "bloom")],
    )
    assert await addresses.to_open(conn, CHAIN) == [(VAULT, TOKEN)]
    opening = Opening(new_id(Prefix.OPENING, SystemClock(), SystemEntropy()), VAULT, TOKEN, 0)
    await addresses.record_openings(conn, CHAIN, block(10), [opening])
    assert await addresses.to_open(conn, CHAIN) == []


async def test_transfers_of_strangers_are_not_kept(db: Database) -> None:
    async with db.transaction() as conn:
        await set_up(conn)
        kept = await transfers.record(conn, CHAIN, [transfer(11, 0, VAULT), transfer(11, 1, OTHER)])

        assert kept == (1, 1)
        assert [t.dst for t in await transfers.canonical(conn, CHAIN)] == [VAULT]


async def test_what_is_in_the_opening_already_is_not_kept_again(db: Database) -> None:
    async with db.transaction() as conn:
        await set_up(conn)

        found = await transfers.record(conn, CHAIN, [transfer(10, 0, VAULT), transfer(11, 0, VAULT)])
        assert found == (1, 1)
        assert [t.block_number for t in await transfers.canonical(conn, CHAIN)] == [11]


async def test_an_unknown_token_at_our_address_is_kept_at_any_height(db: Database) -> None:
    async with db.transaction() as conn:
        await set_up(conn)

        assert await transfers.record(conn, CHAIN, [transfer(10, 0, VAULT, token=UNKNOWN)]) == (1, 0)


async def test_a_transfer_read_twice_is_one_row_and_keeps_its_amount(db: Database) -> None:
    async with db.transaction() as conn:
        await set_up(conn)
        sent = transfer(11, 0, OTHER, src=VAULT)
        await transfers.record(conn, CHAIN, [sent])
    async with db.transaction() as conn:
        assert await transfers.orphan_above(conn, CHAIN, 10) == 1
        assert await transfers.canonical(conn, CHAIN) == []
        await transfers.record(conn, CHAIN, [sent])

        assert await transfers.canonical(conn, CHAIN) == [sent]
        assert await transfers.of_tx(conn, CHAIN, sent.tx_hash) == [sent]


async def partitions(conn: Connection) -> list[tuple[int, int]]:
    """The first and last heights of each, by name."""
    found = await conn.execute(
        "SELECT split_part(relname, '_', 4)::bigint, split_part(relname, '_', 5)::bigint FROM pg_class"
        " WHERE relname LIKE 'seen\\_transfers\\_31337\\_%' AND relkind = 'r' ORDER BY 1"
    )
    return list(await found.fetchall())


async def test_what_was_seen_goes_by_partitions_once_it_is_final_for_long(db: Database) -> None:
    """Above the finalized block nothing goes, so that it can be taken back; nor in one partition below it."""
    async with db.transaction() as conn:
        await set_up(conn)
        await blocks.start_cursor(conn, CHAIN, block(10))
        await transfers.record(conn, CHAIN, [transfer(11, 0, OTHER)], seen_blocks=4)
        assert await partitions(conn) == [(10, 13), (14, 17)]
    async with db.transaction() as conn:
        later = [transfer(number, 0, OTHER) for number in range(12, 31)]
        await transfers.record(conn, CHAIN, later, seen_blocks=4)
        assert (await partitions(conn))[0] == (10, 13), "no block above 10 is final"
        assert (await partitions(conn))[-1] == (34, 37), "one ahead"
        await conn.execute("UPDATE cursors SET finalized_number = 22, next_number = 31")
    async with db.transaction() as conn:
        await transfers.record(conn, CHAIN, [transfer(31, 0, OTHER)], seen_blocks=4)
        assert (await partitions(conn))[0] == (18, 21)
        assert await transfers.orphan_above(conn, CHAIN, 22) == 0
        found = await conn.execute("SELECT number, canonical FROM seen_transfers ORDER BY number")
        assert await found.fetchall() == [(n, n <= 22) for n in range(18, 32)]
    async with db.transaction() as conn:
        again = [transfer(number, 0, OTHER) for number in range(23, 40)]
        assert await transfers.record(conn, CHAIN, again, seen_blocks=4) == (0, 17)
        found = await conn.execute("SELECT bool_and(canonical), max(number) FROM seen_transfers")
        assert await found.fetchall() == [(True, 39)]


async def test_heights_below_the_first_partition_have_one_when_they_are_read(db: Database) -> None:
    """A fork from lower than where reading began, or old blocks that are read again."""
    async with db.transaction() as conn:
        await set_up(conn)
        await blocks.start_cursor(conn, CHAIN, block(10))
        await transfers.record(conn, CHAIN, [transfer(11, 0, OTHER)], seen_blocks=4)
    async with db.transaction() as conn:
        forked = [transfer(number, 0, OTHER) for number in range(3, 13)]
        assert await transfers.record(conn, CHAIN, forked, seen_blocks=4) == (0, 10)
        assert await partitions(conn) == [(3, 9), (10, 13), (14, 17)]
    async with db.transaction() as conn:
        await transfers.record(conn, CHAIN, [transfer(1, 0, OTHER)], seen_blocks=4)
        assert await partitions(conn) == [(1, 2), (3, 9), (10, 13), (14, 17)]
        found = await conn.execute("SELECT array_agg(number ORDER BY number) FROM seen_transfers")
        assert await found.fetchall() == [([1, *range(3, 13)],)]


async def test_a_partition_that_is_written_to_stays_however_long_it_is_final(db: Database) -> None:
    async with db.transaction() as conn:
        await set_up(conn)
        await blocks.start_cursor(conn, CHAIN, block(10))
        seen = [transfer(number, 0, OTHER) for number in range(10, 31)]
        await transfers.record(conn, CHAIN, seen, seen_blocks=4)
        await conn.execute("UPDATE cursors SET finalized_number = 30, next_number = 31")
    async with db.transaction() as conn:
        assert await transfers.record(conn, CHAIN, [transfer(15, 1, OTHER)], seen_blocks=4) == (0, 1)
        assert (await partitions(conn))[0] == (14, 17)
    async with db.transaction() as conn:
        await transfers.record(conn, CHAIN, [transfer(31, 0, OTHER)], seen_blocks=4)
        assert (await partitions(conn))[0] == (26, 29)


async def test_own_addresses_and_tokens_are_ours_and_strangers_are_not(db: Database) -> None:
    async with db.transaction() as conn:
        await set_up(conn)

        assert [await addresses.is_ours(conn, CHAIN, a) for a in (VAULT, TOKEN, OTHER)] == [True, True, False]
