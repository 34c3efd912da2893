import hashlib
import hmac

import pytest
import rlp  # type: ignore[import-untyped]
from eth_abi.packed import encode_packed
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.chain import Address, checksum
from bascule.domain.forwarder import (
    clone_address,
    clone_init_code,
    create2,
    deposit_address,
    implementation_address,
    salt,
)
from bascule.domain.hashing import keccak

addresses = st.binary(min_size=20, max_size=20).map(Address)
SEED = bytes(range(32))


@pytest.mark.parametrize(
    ("deployer", "create_salt", "init_code", "expected"),
    [  # the examples of EIP-1014
        ("00" * 20, "00" * 32, "00", "0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"),
        ("deadbeef" + "00" * 16, "00" * 32, "00", "0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3"),
        (
            "deadbeef" + "00" * 16,
            "00" * 12 + "feed" + "00" * 18,
            "00",
            "0xD04116cDd17beBE565EB2422F2497E06cC1C9833",
        ),
        ("00" * 20, "00" * 32, "deadbeef", "0x70f2b2914A2a4b783FaEFb75f459A580616Fcb5e"),
        ("00" * 20, "00" * 32, "", "0xE33C0C7F7df4809055C3ebA6c09CFe4BaF1BD9e0"),
    ],
)
def test_create2_gives_the_addresses_of_eip_1014(
    deployer: str, create_salt: str, init_code: str, expected: str
) -> None:
    made = create2(
        Address(bytes.fromhex(deployer)), bytes.fromhex(create_salt), keccak(bytes.fromhex(init_code))
    )

    assert checksum(made) == expected


@given(addresses)
def test_the_implementation_is_the_factorys_first_create(factory: Address) -> None:
    assert implementation_address(factory) == keccak(rlp.encode([factory, 1]))[12:]


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
def test_the_salt_is_the_hmac_of_epoch_and_number_big_endian(epoch: int, n: int) -> None:
    message = encode_packed(["uint32", "uint64"], [epoch, n])

    assert salt(SEED, epoch, n) == hmac.new(SEED, message, hashlib.sha256).digest()


@given(addresses)
def test_a_clone_delegates_to_its_implementation(implementation: Address) -> None:
    init = clone_init_code(implementation)
    runtime = init[10:]

    # ERC-1167: the runtime code is fixed around the address; the init code copies and returns it
    assert runtime.hex() == f"363d3d373d3d3d363d73{implementation.hex()}5af43d82803e903d91602b57fd5bf3"
    assert init[:10].hex() == "3d602d80600a3d3981f3"
    assert len(runtime) == 0x2D


def test_each_epoch_and_number_has_an_address_of_its_own() -> None:
    factory = Address(b"\x11" * 20)
    made = {deposit_address(factory, SEED, epoch, n) for epoch in range(3) for n in range(50)}

    assert len(made) == 150
    assert clone_address(factory, implementation_address(factory), salt(SEED, 2, 7)) in made


def test_a_weak_seed_or_a_number_out_of_range_is_our_own_mistake() -> None:
    for wrong in [(b"short", 0, 0), (SEED, 2**32, 0), (SEED, 0, 2**64), (SEED, -1, 0)]:
        with pytest.raises(AssertionError):
            salt(*wrong)
