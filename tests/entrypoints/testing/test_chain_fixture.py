"""The `chain` fixture: a chain of one's own, whose blocks, time and money are the test's."""

import json
from decimal import Decimal

import pytest

from bascule.chain.errors import RpcError
from bascule.domain.errors import Rejected
from bascule.entrypoints.testing.chain import Chain
from bascule.entrypoints.testing.templates import Templates
from tests.support.chain import ABI

PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def test_payment_waits_until_the_test_mines(chain: Chain) -> None:
    tx_hash = chain.pay(PAYEE, "usdc", "1.50")

    assert (chain.balance(PAYEE), chain.rpc("eth_getTransactionReceipt", tx_hash)) == (0, None)
    before = chain.head
    assert chain.mine() == before + 1
    assert chain.balance(PAYEE) == Decimal("1.50")


def test_reorg_takes_back_what_is_dropped_and_keeps_the_rest(chain: Chain) -> None:
    gone = chain.pay(PAYEE, "usdc", "1.00")
    chain.pay(PAYEE, "usdc", "2.00", payer=1)
    head = chain.mine()

    assert chain.reorg(1, drop=[gone]) == head + 1
    assert chain.balance(PAYEE) == Decimal("2.00")
    chain.pay(PAYEE, "usdc", "4.00")  # the dropped transaction's nonce is free again
    chain.mine()
    assert chain.balance(PAYEE) == Decimal("6.00")


def test_faucet_gives_dollars_and_ether(chain: Chain) -> None:
    before = chain.balance(PAYEE, "eth")
    chain.faucet(PAYEE, "12.34")
    chain.faucet(PAYEE, "0.50", "eth")

    assert chain.balance(PAYEE) == Decimal("12.34")
    assert chain.balance(PAYEE, "eth") - before == Decimal("0.50")


def test_own_token_is_deployed_and_paid_with(chain: Chain) -> None:
    dollar = json.loads((ABI / "TestDollar.json").read_text())
    token = chain.deploy(dollar, "My Token", "MINE", chain.deployer.address)

    assert chain.balance(PAYEE, token) == 0
    with pytest.raises(ValueError, match="takes 3 arguments, not 1"):
        chain.deploy(dollar, "My Token")
    with pytest.raises(ValueError, match="there is no token at"):
        chain.balance(PAYEE, PAYEE)
    with pytest.raises(ValueError, match="mint your own token by its own method"):
        chain.faucet(PAYEE, "1.00", token)


def test_chains_start_alike_and_know_nothing_of_each_other(bascule_templates: Templates) -> None:
    with bascule_templates.chain() as one, bascule_templates.chain() as other:
        heads = [each.rpc("eth_getBlockByNumber", "latest", False)["hash"] for each in (one, other)]
        assert heads[0] == heads[1]
        assert one.url != other.url

        one.faucet(PAYEE)

        assert (one.balance(PAYEE), other.balance(PAYEE)) == (1000, 0)
        assert (one.chain_id, other.chain_id) == (31337, 31337)


def test_time_moves_on_with_a_block_and_never_back(chain: Chain) -> None:
    def block_time() -> int:
        return int(chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    before = block_time()
    chain.advance(3600)
    assert block_time() >= before + 3600
    chain.mine(30)
    assert chain.clock.seconds() >= block_time()
    with pytest.raises(ValueError, match="time only moves on"):
        chain.advance(-1)


def test_finality_stands_as_far_behind_the_head_as_it_is_set(chain: Chain) -> None:
    chain.set_finality(safe=1, finalized=7)
    chain.pay(PAYEE, "usdc", "1.00")

    paid_in = chain.head + 1
    head = chain.finalize()

    assert (head, int(chain.rpc("eth_getBlockByNumber", "finalized", False)["number"], 16)) == (
        paid_in + 7, paid_in,
    )  # fmt: skip


def test_words_of_node_and_parsers_reach_the_test(chain: Chain) -> None:
    with pytest.raises(RpcError, match="the method no_such does not exist"):
        chain.rpc("no_such")
    with pytest.raises(Rejected, match="decimal point"):
        chain.pay(PAYEE, "usdc", "1")
    with pytest.raises(Rejected, match="40 hexadecimal digits"):
        chain.pay("0x12", "usdc", "1.00")
