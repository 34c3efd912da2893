"""Compiled contracts are found, read once, and know what may be asked of them."""

import pytest

from bascule.chain.abi import ArtifactMissing, artifact, folder
from bascule.domain.errors import Halted
from bascule.domain.hashing import keccak


def test_artifact_is_read_once_and_then_kept() -> None:
    vault = artifact("PayoutVault")

    assert artifact("PayoutVault") is vault
    assert (vault.name, vault.evm_version) == ("PayoutVault", "cancun")
    assert vault.compiler.startswith("0.8.37+")
    assert (folder() / "PayoutVault.json").is_file()


def test_unknown_contract_halts_with_its_name() -> None:
    with pytest.raises(ArtifactMissing, match="NoSuchThing") as raised:
        artifact("NoSuchThing")

    assert isinstance(raised.value, Halted)


def test_calldata_carries_selector_and_arguments() -> None:
    setting = artifact("PayoutVault").calldata("setLane", 7, b"\x11" * 20)

    assert setting[:4] == keccak(b"setLane(uint32,address)")[:4]
    assert setting[4:] == (7).to_bytes(32, "big") + bytes(12) + b"\x11" * 20
    assert artifact("PayoutVault").calldata("pause") == keccak(b"pause()")[:4]


def test_repeated_method_name_asks_for_the_full_signature() -> None:
    dollar = artifact("TestDollar")

    with pytest.raises(ValueError, match="2 methods called cancelAuthorization"):
        dollar.calldata("cancelAuthorization", b"\x11" * 20, bytes(32), b"")
    full = dollar.calldata("cancelAuthorization(address,bytes32,bytes)", b"\x11" * 20, bytes(32), b"")
    assert full[:4] == keccak(b"cancelAuthorization(address,bytes32,bytes)")[:4]


def test_unknown_method_and_unknown_event_are_refused() -> None:
    with pytest.raises(ValueError, match="0 methods called mend"):
        artifact("PayoutVault").calldata("mend")
    with pytest.raises(ValueError, match="no event called Mended"):
        artifact("PayoutVault").topic("Mended")


def test_topic_is_the_hash_of_the_events_signature() -> None:
    expected = keccak(b"BatchPaid(uint32,bytes32,address,uint256,uint256,uint256)")

    assert artifact("PayoutVault").topic("BatchPaid") == expected


def test_init_code_demands_each_constructor_argument() -> None:
    factory = artifact("DepositFactory")

    assert factory.init_code(b"\x11" * 20, 5) == (
        factory.bytecode + bytes(12) + b"\x11" * 20 + (5).to_bytes(32, "big")
    )
    assert artifact("DepositForwarder").init_code() == artifact("DepositForwarder").bytecode
    with pytest.raises(ValueError, match="2 arguments, not 1"):
        factory.init_code(b"\x11" * 20)


def test_code_is_recognised_whatever_its_immutables_are() -> None:
    vault = artifact("PayoutVault")
    start, length = vault.immutable_references[0]
    code = bytearray(vault.deployed_bytecode)
    code[start : start + length] = b"\xaa" * length

    assert vault.is_code(bytes(code))
    code[0] ^= 1
    assert not vault.is_code(bytes(code))
    assert not vault.is_code(b"")
    assert not vault.is_code(bytes(vault.deployed_bytecode) + b"\x00")
