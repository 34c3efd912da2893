"""Plans of deterministic deployment, carried out through the proxy on an in-process chain."""

import pytest
from eth_account import Account
from eth_utils.address import to_canonical_address

from bascule.chain.deployment import PROXY, PROXY_CODE, Deployment, Roles, plan, plan_token
from bascule.domain.chain import Hash, address, checksum
from bascule.domain.hashing import keccak
from tests.support.contracts import Chain
from tests.support.source import ROOT

# The transaction anyone may send to place the proxy; its signature was chosen, so nobody holds a key.
KEYLESS = bytes.fromhex(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe"
    + PROXY_CODE.hex()
    + "1ba0"
    + "22" * 32
    + "a0"
    + "22" * 32
)


def roles(delay: int = 172_800) -> Roles:
    owner, treasury, guardian, canceller = (address(bytes([n]) * 20) for n in range(1, 5))
    return Roles(owner, treasury, guardian, canceller, delay)


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain()


def carry_out(chain: Chain, deployment: Deployment) -> bool:
    return chain.send(PROXY, deployment.calldata, by=chain.accounts[0]).ok


def test_proxy_stands_where_its_keyless_transaction_puts_it() -> None:
    sender = to_canonical_address(Account.recover_transaction(KEYLESS))

    assert len(PROXY_CODE) == 69
    assert keccak(b"\xd6\x94" + sender + b"\x80")[12:] == PROXY
    page = (ROOT / "docs" / "operating" / "contracts.md").read_text(encoding="utf-8")
    assert checksum(address(sender)) in page
    assert checksum(PROXY) in page


def test_each_contract_lands_where_the_plan_says(chain: Chain) -> None:
    token = plan_token("Test Dollar", "TUSD", roles().owner)
    planned = plan(roles())

    for deployment in (planned.factory, planned.vault, token):
        assert chain.code(deployment.address) == b""
        assert carry_out(chain, deployment)
        code = chain.code(deployment.address)
        assert deployment.artifact.is_code(code)
        assert keccak(deployment.artifact.masked(code)) == deployment.artifact.code_hash
    vault = chain.at("PayoutVault", planned.vault.address)
    assert vault.read("owner") == roles().owner
    assert vault.read("treasury") == roles().treasury
    assert (vault.read("guardian"), vault.read("canceller")) == (roles().guardian, roles().canceller)
    factory = chain.at("DepositFactory", planned.factory.address)
    assert (factory.read("owner"), factory.read("delay")) == (roles().owner, 172_800)


def test_same_deployment_sent_twice_fails_the_second_time(chain: Chain) -> None:
    token = plan_token("Twice", "TWC", roles().owner)

    assert carry_out(chain, token)
    assert not carry_out(chain, token)


def test_salt_and_arguments_decide_the_address_and_nothing_else_does() -> None:
    usual = plan(roles())

    assert plan(roles()) == usual
    assert plan(roles(delay=0)).factory.address != usual.factory.address
    assert plan(roles(delay=0)).vault.address == usual.vault.address
    other = plan(roles(), salt=Hash(keccak(b"salt")))
    assert len({usual.factory.address, usual.vault.address, other.factory.address, other.vault.address}) == 4


def test_factory_of_fixed_roles_never_moves_unnoticed() -> None:
    """Every deposit address hangs on the factory's; a build that changes its code must be meant."""
    assert plan(roles()).factory.address.hex() == "58e05b4e07e3041035496669e537a8d5f041c3c1"
