"""Which version of a policy rules whose payouts, asked for one account and for many at once."""

from __future__ import annotations

from dataclasses import replace

from bascule.domain.chain import Address
from bascule.domain.finality import FinalityPolicy
from bascule.domain.policy import Rules, Tier
from bascule.storage import networks, policies, tokens
from bascule.storage.database import Connection, Database
from bascule.storage.networks import Network
from bascule.storage.tokens import Token
from tests.support.money_out import START

NETWORK = Network(
    5, "local", False, FinalityPolicy("depth", 7), Address(b"\x01" * 20), None, None, None, 3, "x"
)
TOKEN = Token("tok_1", 5, Address(b"\x07" * 20), "usdt", "Dollar", 6, True)
OTHER = replace(TOKEN, id="tok_2", contract=Address(b"\x08" * 20))
BAD, WORSE = Address(b"\xbb" * 20), Address(b"\xcc" * 20)


async def rule(
    conn: Connection, id: str, account: str, token: str | None, *denied: Address, livemode: bool = False
) -> None:
    rules = Rules((Tier(0, 2),), denylist=frozenset(denied))
    await policies.add(
        conn, id=id, account_id=account, livemode=livemode, token_id=token, rules=rules,
        created_by="cli", created_at=START,
    )  # fmt: skip


async def test_many_are_ruled_as_each_alone_and_the_operator_denies_by_mode(db: Database) -> None:
    async with db.transaction() as conn:
        await networks.publish(conn, NETWORK)
        await tokens.publish(conn, TOKEN)
        await tokens.publish(conn, OTHER)
        await conn.execute(
            "INSERT INTO accounts (id, name, kind) VALUES"
            " ('acct_o', 'O', 'operator'), ('acct_m', 'M', 'merchant'), ('acct_n', 'N', 'merchant')"
        )
        await rule(conn, "pol_1", "acct_o", None, BAD)
        await rule(conn, "pol_2", "acct_o", None, BAD)
        await rule(conn, "pol_3", "acct_o", TOKEN.id)
        await rule(conn, "pol_4", "acct_o", None, WORSE, livemode=True)
        await rule(conn, "pol_5", "acct_m", OTHER.id, WORSE)  # denies them to itself alone
        whose = [
            (account, livemode, token)
            for account in ("acct_o", "acct_m", "acct_n")
            for livemode in (False, True)
            for token in (TOKEN.id, OTHER.id)
        ]
        alone = {each: await policies.current(conn, *each) for each in whose}

        ids, denied = await policies.ruling(conn, whose)
        assert ids == {each: policy.id for each, policy in alone.items() if policy is not None}
        assert ids["acct_o", False, TOKEN.id] == "pol_3"
        assert ids["acct_o", False, OTHER.id] == "pol_2"
        assert denied == {(False, BAD), (True, WORSE)}
        for livemode in (False, True):
            told = await policies.operators_denylist(conn, livemode)
            assert {address for mode, address in denied if mode == livemode} == told

        assert await policies.ruling(conn, [("acct_n", False, TOKEN.id)]) == ({}, {(False, BAD)})
