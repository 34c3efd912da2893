"""The domain's arithmetic and the deployed contracts agree on addresses, calldata, heads and bits."""

import pytest

from bascule.domain import vault
from bascule.domain.chain import Address, Hash
from bascule.domain.forwarder import deposit_address, implementation_address, salt
from tests.support.contracts import Chain, Contract

SEED = bytes(range(32))
LANE = 7
PAYEES = [Address(b"\x09" * 20), Address(b"\x0a" * 20)]


@pytest.fixture
def token(chain: Chain) -> Contract:
    return chain.deploy("TestDollar", "Test Dollar", "tusd", chain.accounts[0])


@pytest.fixture
def funded(chain: Chain, token: Contract) -> Contract:
    me = chain.accounts[0]
    deployed = chain.deploy("PayoutVault", me, me, me, me)
    token.send("mint", deployed.address, 10**9, by=me)
    deployed.send("setLane", LANE, me, by=me)
    deployed.send("setLimit", token.address, 10**9, 86_400, by=me)
    return deployed


def batch(number: int, token: Contract, head: bytes) -> vault.Batch:
    ids = [vault.make_id(LANE, number * 256 + index) for index in (0, 255)]
    items = [vault.pack_item(vault.index_of(one), 5, to) for one, to in zip(ids, PAYEES, strict=True)]
    return vault.Batch(
        Address(token.address),
        LANE,
        Hash(head),
        vault.word_of(ids[0]),
        tuple(items),
        (vault.tag("a"), vault.tag("b")),
        2**40,
    )


@pytest.mark.parametrize("n", [0, 1, 2**40])
def test_a_deposit_address_is_known_before_the_factory_is_asked(chain: Chain, n: int) -> None:
    factory = chain.deploy("DepositFactory", chain.accounts[0], 0)
    address = Address(factory.address)

    assert factory.read("implementation") == implementation_address(address)
    assert factory.read("forwarderOf", salt(SEED, 1, n)) == deposit_address(address, SEED, 1, n)


def test_a_batch_made_by_the_domain_pays_and_leaves_the_head_it_foretold(
    chain: Chain, token: Contract, funded: Contract
) -> None:
    head: bytes = vault.FIRST_HEAD
    for number in range(2):
        made = batch(number, token, head)
        receipt = chain.send(funded.address, made.calldata(), by=chain.accounts[0])
        logs = [log for log in receipt.logs if bytes.fromhex(log["address"][2:]) == funded.address]
        _, lane, after, _, word, attempted, refused = funded.event(logs[0])

        head = made.next_head()
        assert (lane, after, word) == (LANE, head, made.word)
        assert funded.read("head", LANE) == head
        assert vault.paid_indexes(attempted, refused) == (0, 255)
        assert all(funded.read("used", vault.id_at(made.word, index)) for index in (0, 255))
    assert [token.read("balanceOf", payee) for payee in PAYEES] == [10, 10]
