"""What the file says of contracts: read whole, or refused by the name of what is wrong."""

from pathlib import Path

import pytest

from bascule import settings
from bascule.domain.chain import Address
from bascule.settings import BadConfiguration

A, B, C = ("0x" + byte * 20 for byte in ("11", "22", "33"))
BIRTH = f'[contracts]\ndeployer = "{A}"\ntreasury = "{B}"\nguardian = "{B}"\ncanceller = "{C}"\n'
CHAIN = f'[[chains]]\nid = 1\nrpc = ["http://a"]\n[chains.contracts]\ncollector = "{C}"\n'


def loaded(tmp_path: Path, text: str) -> settings.Settings:
    file = tmp_path / "bascule.toml"
    file.write_text(text)
    return settings.load({"BASCULE_CONFIG": str(file)})


def test_contracts_are_read_with_their_defaults(tmp_path: Path) -> None:
    owner = f'owner = {{ address = "{C}", owners = ["{A}", "{B}"], threshold = 2 }}\n'
    more = f'lanes = [{{ lane = 3, operator = "{A}" }}]\n'
    more += f'limits = [{{ token = "{B}", amount_atomic = "5", window_s = 80 }}]\n'

    found = loaded(tmp_path, BIRTH + owner + CHAIN + more)

    assert found.contracts is not None
    assert found.contracts.collector_delay_s == 172_800
    assert found.contracts.owner is not None
    assert found.contracts.owner.threshold == 2
    roles = found.chain(1).contracts
    assert roles is not None
    assert roles.operators == {3: Address(bytes.fromhex(A[2:]))}
    assert [(limit.amount_atomic, limit.window_s) for limit in roles.limits] == [(5, 80)]
    assert (roles.guardian, roles.canceller, roles.test_dollars) == (None, None, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("contracts = 5\n", "where a table of deployer"),
        (f'[contracts]\ndeployer = "{A}"\n', "lacks treasury"),
        (BIRTH + "depoyer = 1\n", "'depoyer'"),
        (BIRTH.replace(A, A[:-1]), "has a deployer of"),
        (BIRTH.replace(A, "0x" + "00" * 20), "zero address is nobody's"),
        (BIRTH + "collector_delay_s = -1\n", "collector_delay_s of -1"),
        (BIRTH + 'salt = "0x12"\n', "has a salt of '0x12'"),
        (BIRTH + f'owner = {{ address = "{A}", owners = [], threshold = 1 }}\n', "without owners"),
        (BIRTH + f'owner = {{ address = "{A}", owners = ["{B}", "{B}"], threshold = 1 }}\n', "twice"),
        (BIRTH + f'owner = {{ address = "{A}", owners = ["{B}"], threshold = 2 }}\n', "from 1 to 1"),
        (CHAIN.replace("collector", "colector"), "(contracts of chain 1) lacks collector"),
        (CHAIN + f'lanes = [{{ lane = 4294967296, operator = "{A}" }}]\n', "not a whole number from 0 to"),
        (CHAIN + f'lanes = [{{ lane = 1, operator = "{A}" }}, {{ lane = 1, operator = "{B}" }}]\n', "twice"),
        (CHAIN + f'limits = [{{ token = "{A}", amount_atomic = 1, window_s = 12 }}]\n', "multiple of 8"),
        (CHAIN + f'limits = [{{ token = "{A}", amount_atomic = "1.5", window_s = 80 }}]\n', "amount_atomic"),
        (CHAIN + "vault_salt = 1\n", "a vault_salt of 1"),
        (CHAIN + 'test_dollars = [{ name = "", symbol = "X" }]\n', "name or symbol"),
        ("deployments = 5\n", "is not a list of tables"),
        (
            f'[[deployments]]\nchain = 1\ncontract = "Vault"\naddress = "{A}"\ncode_hash = "0x1"\n',
            "a contract 'Vault'",
        ),
        (
            f'[[deployments]]\nchain = 1\ncontract = "PayoutVault"\naddress = "{A}"\ncode_hash = "0x1"\n',
            "a code_hash of",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        loaded(tmp_path, text)

    assert said in str(caught.value)
    assert caught.value.next_step is not None
