"""Which logs are ERC-20 Transfers, and what they say."""

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from bascule.chain import erc20
from bascule.chain.logs import Log
from bascule.domain.chain import Address, Hash

TOKEN, ALICE, BOB = Address(bytes([7]) * 20), Address(bytes([1]) * 20), Address(bytes([2]) * 20)
TX = Hash(bytes([5]) * 32)


def topic(address: bytes) -> bytes:
    return bytes(12) + address


def log(index: int = 0, amount: int = 5, **changes: object) -> Log:
    members: dict[str, object] = {
        "index": index,
        "tx_hash": TX,
        "address": TOKEN,
        "topics": (erc20.TRANSFER, topic(ALICE), topic(BOB)),
        "data": amount.to_bytes(32, "big"),
    }
    return Log(**{**members, **changes})  # type: ignore[arg-type]


def test_a_transfer_says_token_ends_and_amount() -> None:
    found, ignored = erc20.transfers([log(amount=2**256 - 1)])

    assert found == [erc20.Transfer(0, TX, TOKEN, ALICE, BOB, 2**256 - 1, 0)]
    assert not ignored


def test_transfers_of_one_transaction_to_one_address_are_told_apart() -> None:
    other = Hash(bytes([6]) * 32)
    found, _ = erc20.transfers(
        [
            log(0),
            log(1),
            log(2, topics=(erc20.TRANSFER, topic(BOB), topic(ALICE))),
            log(3, tx_hash=other),
            log(4),
        ]
    )

    assert [(t.log_index, t.occurrence) for t in found] == [(0, 0), (1, 1), (2, 0), (3, 0), (4, 2)]


def test_transfers_of_nothing_do_not_shift_the_identity_of_others() -> None:
    found, ignored = erc20.transfers([log(0, amount=0), log(1)])

    assert [(t.log_index, t.occurrence) for t in found] == [(1, 0)]
    assert ignored == {"zero_value": 1}


def test_logs_that_are_no_erc20_transfers_are_counted_by_reason() -> None:
    nft = (erc20.TRANSFER, topic(ALICE), topic(BOB), bytes(32))
    found, ignored = erc20.transfers(
        [
            log(0, topics=()),
            log(1, topics=(keccak(text="Approval(address,address,uint256)"), topic(ALICE), topic(BOB))),
            log(2, topics=nft, data=b""),
            log(3, topics=(erc20.TRANSFER,), data=bytes(96)),
            log(4, data=bytes(31)),
            log(5, topics=(erc20.TRANSFER, b"\x01" * 32, topic(BOB))),
        ]
    )

    assert found == []
    assert ignored == {"other_event": 2, "not_erc20": 3, "malformed": 1}


def test_calldata_equals_what_the_abi_encoder_makes() -> None:
    transfer = keccak(text="transfer(address,uint256)")[:4] + encode(["address", "uint256"], [BOB, 12_345])
    balance = keccak(text="balanceOf(address)")[:4] + encode(["address"], [ALICE])

    assert erc20.transfer_calldata(BOB, 12_345) == transfer
    assert erc20.balance_calldata(ALICE) == balance
