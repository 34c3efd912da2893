"""Whose money an arrival is."""

from dataclasses import replace

from bascule.domain.chain import checksum, parse_address
from bascule.storage import tokens
from tests.support.chain import calldata, deploy_dollar
from tests.support.money_in import FUNDS, Bridge, OpenAs, bridge, deposit_address

PAYER, TREASURY, VAULT, COLLECTOR, WALLET = 1, 3, 4, 5, 6


async def unaccepted(b: Bridge) -> str:
    """A second token, known and not accepted, of which payer and treasury have some."""
    contract = await deploy_dollar(b.node, b.account(0))
    for number in (PAYER, TREASURY):
        data = calldata("mint(address,uint256)", [b.account(number).address, FUNDS])
        await b.node.send(b.account(0), to=contract, data=data)
    await b.mine()
    other = replace(b.token, id="tok_other", contract=parse_address(contract), accepted=False)
    async with b.owner.transaction() as conn:
        await tokens.publish(conn, other)
    return contract


async def test_money_is_a_payers_or_capital_or_nobodys(db_as: OpenAs) -> None:
    async with bridge(db_as) as b:
        other, ours = await unaccepted(b), checksum(b.token.contract)
        watcher = await b.started()
        payment = deposit_address(await b.intent("1.00"))
        vault, collector, wallet = (b.account(number).address for number in (VAULT, COLLECTOR, WALLET))
        arrivals = [
            (payment, PAYER, ours, "payment"),
            (payment, TREASURY, ours, "payment"),
            (payment, PAYER, other, "payment"),
            (vault, TREASURY, ours, "capital"),
            (collector, TREASURY, ours, "capital"),
            (wallet, TREASURY, ours, "unsolicited"),
            (vault, PAYER, ours, "unsolicited"),
            (vault, TREASURY, other, "unsolicited"),
        ]
        for n, (to, payer, token, _) in enumerate(arrivals, start=1):
            await b.send(to, f"{n}.00", payer, token)
        await b.mine()
        await b.settle_down(watcher)

        kinds = await b.rows("SELECT amount / 1000000, kind FROM deposits ORDER BY amount")
    assert kinds == [(n, kind) for n, (*_, kind) in enumerate(arrivals, start=1)]
