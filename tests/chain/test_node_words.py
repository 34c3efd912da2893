"""Nodes' words, client by client, as their sources have them and as they were seen."""

import re

import pytest

from bascule.chain.node_words import ANY, WORDS, Bytes, NodeSays, of_bytes, read
from tests.support.cases import case

_ADDRESS = "0x336394A3219e71D9d9bd18201d34E95C1Bb7122C"

# What is said of bytes that are offered. Numbers, names and addresses are examples.
SAID: dict[str, dict[str, NodeSays]] = {
    "geth": {
        "already known": NodeSays.ALREADY_KNOWN,
        "known transaction: 0x7f657507aee0511e36d2d1972a6b22e917cc89f9": NodeSays.ALREADY_KNOWN,
        "nonce too low: next nonce 12, tx nonce 11": NodeSays.NONCE_TOO_LOW,
        "nonce too high: address 0x00, tx: 9 state: 3": NodeSays.NONCE_TOO_HIGH,
        "gapped-nonce tx from delegated accounts": NodeSays.NONCE_TOO_HIGH,
        "replacement transaction underpriced": NodeSays.REPLACEMENT_UNDERPRICED,
        "transaction underpriced: tip needed 1, tip permitted 0": NodeSays.UNDERPRICED,
        "transaction gas price below minimum: gas tip cap 0, minimum needed 1": NodeSays.UNDERPRICED,
        "max fee per gas less than block base fee: address 0x00": NodeSays.FEE_BELOW_BASE,
        "tx fee (1.10 ether) exceeds the configured cap (1.00 ether)": NodeSays.FEE_ABOVE_CAP,
        "insufficient funds for gas * price + value: balance 0": NodeSays.INSUFFICIENT_FUNDS,
        "transaction would cause overdraft": NodeSays.INSUFFICIENT_FUNDS,
        "gas required exceeds allowance (21000)": NodeSays.INSUFFICIENT_FUNDS,
        "intrinsic gas too low: gas 1, minimum needed 21000": NodeSays.GAS_TOO_LOW,
        "insufficient gas for floor data gas cost: gas 1, minimum needed 2": NodeSays.GAS_TOO_LOW,
        "exceeds block gas limit": NodeSays.GAS_TOO_LOW,
        "oversized data: transaction size 138074, limit 131072": NodeSays.INVALID,
        "invalid sender": NodeSays.INVALID,
        "invalid chain id for signer: have 1 want 31337": NodeSays.INVALID,
        "only replay-protected (EIP-155) transactions allowed over RPC": NodeSays.INVALID,
        "max priority fee per gas higher than max fee per gas: address 0x00": NodeSays.INVALID,
        "txpool is full": NodeSays.POOL_FULL,
    },
    "erigon": {
        "already known": NodeSays.ALREADY_KNOWN,
        "block already known": NodeSays.ALREADY_KNOWN,
        "INTERNAL_ERROR: existing tx with same hash": NodeSays.ALREADY_KNOWN,
        "nonce too low": NodeSays.NONCE_TOO_LOW,
        "replacement transaction underpriced": NodeSays.REPLACEMENT_UNDERPRICED,
        "transaction gas price below minimum: gas tip cap 1 gwei": NodeSays.UNDERPRICED,
        "insufficient balance for transfer": NodeSays.INSUFFICIENT_FUNDS,
        "gas uint64 overflow": NodeSays.INVALID,
        "negative value": NodeSays.INVALID,
    },
    "besu": {
        "Known transaction": NodeSays.ALREADY_KNOWN,
        "Nonce too low": NodeSays.NONCE_TOO_LOW,
        "Transaction nonce is too distant from current sender nonce": NodeSays.NONCE_TOO_HIGH,
        "Transaction nonce is too far in the future": NodeSays.NONCE_TOO_HIGH,
        "Replacement transaction underpriced": NodeSays.REPLACEMENT_UNDERPRICED,
        "Gas price below configured minimum gas price": NodeSays.UNDERPRICED,
        "Gas price below current base fee": NodeSays.FEE_BELOW_BASE,
        "Transaction fee cap exceeded": NodeSays.FEE_ABOVE_CAP,
        "Upfront cost exceeds account balance": NodeSays.INSUFFICIENT_FUNDS,
        "Intrinsic gas exceeds gas limit": NodeSays.GAS_TOO_LOW,
        "Transaction gas limit exceeds block gas limit": NodeSays.GAS_TOO_LOW,
        "Invalid signature": NodeSays.INVALID,
        "Wrong chainId": NodeSays.INVALID,
    },
    "nethermind": {
        "AlreadyKnown": NodeSays.ALREADY_KNOWN,
        "call failed: alreadyknown": NodeSays.ALREADY_KNOWN,
        "OldNonce, Current nonce: 3, nonce of rejected tx: 1": NodeSays.NONCE_TOO_LOW,
        "NonceGap, Future nonce. Expected nonce: 10": NodeSays.NONCE_TOO_HIGH,
        "OwnNonceAlreadyUsed": NodeSays.REPLACEMENT_UNDERPRICED,
        "FeeTooLow": NodeSays.UNDERPRICED,
        "FeeTooLow, EffectivePriorityFeePerGas too low 10 < 20, BaseFee: 30": NodeSays.UNDERPRICED,
        "InsufficientFunds, Account balance: 1, cumulative cost: 2": NodeSays.INSUFFICIENT_FUNDS,
        "GasLimitExceeded, Gas limit: 100, gas limit of rejected tx: 150": NodeSays.GAS_TOO_LOW,
        "SenderIsContract": NodeSays.INVALID,
        "FailedToResolveSender": NodeSays.INVALID,
        "Int256Overflow": NodeSays.INVALID,
    },
    "parity": {
        "Transaction with the same hash was already imported.": NodeSays.ALREADY_KNOWN,
        "Transaction nonce is too low. Try incrementing the nonce.": NodeSays.NONCE_TOO_LOW,
        "Transaction gas price 100wei is too low. There is another transaction with same nonce in the queue "
        "with gas price 150wei. Try increasing the gas price.": NodeSays.REPLACEMENT_UNDERPRICED,
        "Transaction gas price is too low. It does not satisfy your node's minimal gas price (minimal: 100 "
        "got: 50). Try increasing the gas price.": NodeSays.UNDERPRICED,
        "Insufficient funds. The account you tried to send transaction from does not have enough funds. "
        "Required 200.50 and got: 100.25.": NodeSays.INSUFFICIENT_FUNDS,
        "Transaction gas is too low. There is not enough gas to cover minimal cost of the transaction "
        "(minimal: 100 got: 50) Try increasing supplied gas.": NodeSays.GAS_TOO_LOW,
        "Transaction cost exceeds current gas limit. Limit: 50, got: 100.": NodeSays.GAS_TOO_LOW,
        "Supplied gas is beyond limit.": NodeSays.GAS_TOO_LOW,
        "Invalid RLP data: RlpIsTooShort": NodeSays.INVALID,
        "Transaction is too big, see chain specification for the limit.": NodeSays.INVALID,
        "Sender is banned in local queue.": NodeSays.INVALID,
        "There are too many transactions in the queue. Your transaction was dropped due to limit. Try "
        "increasing the fee.": NodeSays.POOL_FULL,
    },
    "avalanche": {
        f"nonce too low: address {_ADDRESS} current nonce (5833) > tx nonce (5511)": NodeSays.NONCE_TOO_LOW,
        f"max fee per gas less than block base fee: address {_ADDRESS} maxFeePerGas: 1, baseFee: 2": (
            NodeSays.FEE_BELOW_BASE
        ),
    },
    "arbitrum": {
        f"nonce too low: address {_ADDRESS}, tx: 8089 state: 8090": NodeSays.NONCE_TOO_LOW,
        "invalid transaction nonce": NodeSays.NONCE_TOO_LOW,
        f"nonce too high: address {_ADDRESS}, tx: 8091 state: 8090": NodeSays.NONCE_TOO_HIGH,
        "gas price too low": NodeSays.UNDERPRICED,
        "not enough funds for gas": NodeSays.INSUFFICIENT_FUNDS,
        "max fee per gas less than block base fee": NodeSays.FEE_BELOW_BASE,
        "forbidden sender address": NodeSays.INVALID,
        "invalid message format": NodeSays.INVALID,
        "queue full": NodeSays.POOL_FULL,
        "sequencer pending tx pool full, please try again": NodeSays.POOL_FULL,
        "tx dropped due to L2 congestion": NodeSays.UNKNOWN,
        "execution reverted: stale report": NodeSays.REVERTED,
    },
    "zksync": {
        "known transaction. transaction with hash 0x6013 is already in the system": NodeSays.ALREADY_KNOWN,
        "nonce too low. allowed nonce range: 427 - 447, actual: 426": NodeSays.NONCE_TOO_LOW,
        "nonce too high. allowed nonce range: 427 - 477, actual: 527": NodeSays.NONCE_TOO_HIGH,
        "insufficient balance for transfer": NodeSays.INSUFFICIENT_FUNDS,
        "reason: Validation revert: Failed to pay for the transaction": NodeSays.GAS_TOO_LOW,
        "Account validation error: Not enough gas for transaction validation": NodeSays.GAS_TOO_LOW,
        "virtual machine entered unexpected state. Error description: The operator included transaction "
        "with an unacceptable gas price": NodeSays.UNDERPRICED,
        "Failed to serialize transaction: oversized data. max: 1000000; actual: 1000001": NodeSays.INVALID,
    },
    "substrate": {
        "submit transaction to pool failed: Pool(AlreadyImported)": NodeSays.ALREADY_KNOWN,
        "submit transaction to pool failed: Pool(Stale)": NodeSays.NONCE_TOO_LOW,
        "submit transaction to pool failed: Pool(Future)": NodeSays.NONCE_TOO_HIGH,
        "gas price less than block base fee": NodeSays.FEE_BELOW_BASE,
    },
    "anvil": {
        "EVM error: OutOfGas": NodeSays.GAS_TOO_LOW,
        "transaction already imported": NodeSays.ALREADY_KNOWN,
        "nonce too low": NodeSays.NONCE_TOO_LOW,
        "replacement transaction underpriced": NodeSays.REPLACEMENT_UNDERPRICED,
        "max fee per gas less than block base fee": NodeSays.FEE_BELOW_BASE,
        "Insufficient funds for gas * price + value": NodeSays.INSUFFICIENT_FUNDS,
        "intrinsic gas too high -- tx.gas_limit > env.block.gas_limit": NodeSays.GAS_TOO_LOW,
    },
    "eth-tester": {
        "Invalid transaction nonce: Expected 3, but got 2": NodeSays.NONCE_TOO_LOW,
        "Sender b'x' cannot afford txn gas 21000 with account balance 1": NodeSays.INSUFFICIENT_FUNDS,
        "Sender does not have enough balance to cover transaction value and gas (has 1, needs 2)": (
            NodeSays.INSUFFICIENT_FUNDS
        ),
    },
    "reth": {
        "already in the transaction pool": NodeSays.ALREADY_KNOWN,
        "replacement transaction underpriced": NodeSays.REPLACEMENT_UNDERPRICED,
        "out of gas: gas limit too low": NodeSays.GAS_TOO_LOW,
        "txpool is full": NodeSays.POOL_FULL,
    },
}
CASES = [(client, words, meaning) for client, said in SAID.items() for words, meaning in said.items()]


@pytest.mark.parametrize("client", SAID)
def test_refusal_of_a_client_has_its_meaning_in_any_case(client: str) -> None:
    for words, meaning in SAID[client].items():
        with case(words):
            assert read(words) is meaning
            assert read(words.upper()) is meaning
            assert read(f"{client} call failed: {words}") is meaning


@pytest.mark.parametrize("client", SAID)
def test_words_of_a_client_are_known_by_the_lines_of_its_dialect_alone(client: str) -> None:
    dialect = [(pattern, meaning) for pattern, meaning, of in WORDS if client in of.split() or of == ANY]
    for words, meaning in SAID[client].items():
        with case(words):
            found = (each for pattern, each in dialect if re.search(pattern, words, re.IGNORECASE))
            assert next(found, NodeSays.UNKNOWN) is meaning


def test_each_line_is_of_the_clients_whose_words_it_decides_and_of_no_other() -> None:
    decided: dict[str, list[str]] = {pattern: [] for pattern, _, of in WORDS if of != ANY}
    for client, words, _ in CASES:
        line = next((each for each, _, _ in WORDS if re.search(each, words, re.IGNORECASE)), None)
        if line in decided and client not in decided[line]:
            decided[line].append(client)

    assert decided == {pattern: of.split() for pattern, _, of in WORDS if of != ANY}


@pytest.mark.parametrize("meaning", [*NodeSays])
def test_reverted_is_tested_first_as_a_reason_may_hold_any_words(meaning: NodeSays) -> None:
    told = next((words for _, words, each in CASES if each is meaning), str(meaning))

    assert read(f"execution reverted: {told}") is NodeSays.REVERTED


@pytest.mark.parametrize("words", ["unknown transaction", "computer says no", "", "502 Bad Gateway"])
def test_words_nobody_taught_us_leave_open_whether_bytes_are_in_a_pool(words: str) -> None:
    assert read(words) is NodeSays.UNKNOWN
    assert of_bytes(read(words)) is Bytes.UNKNOWN


@pytest.mark.parametrize(
    "says",
    [
        NodeSays.FEE_ABOVE_CAP,
        NodeSays.POOL_FULL,
        NodeSays.RATE_LIMITED,
        NodeSays.TIMED_OUT,
        NodeSays.REVERTED,
        NodeSays.METHOD_MISSING,
    ],
)
def test_limit_of_one_node_says_nothing_of_the_bytes(says: NodeSays) -> None:
    assert of_bytes(says) is Bytes.UNKNOWN


def test_every_line_about_bytes_was_said_by_some_client() -> None:
    about = set(NodeSays) - {
        NodeSays.TOO_MANY_RESULTS, NodeSays.RATE_LIMITED, NodeSays.TIMED_OUT,
        NodeSays.UNKNOWN_BLOCK, NodeSays.METHOD_MISSING,
    }  # fmt: skip
    unsaid = [
        pattern
        for pattern, meaning, _ in WORDS
        if meaning in about
        and not any(re.search(pattern, words, re.IGNORECASE) for _, words, each in CASES if each is meaning)
    ]

    assert unsaid == []
