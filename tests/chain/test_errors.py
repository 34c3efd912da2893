"""Nodes' words, as they were seen, and what they mean."""

import pytest

from bascule.chain.errors import NodeSays, RpcError, WrongChain, read
from bascule.domain.errors import Halted, Retryable


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("already known", NodeSays.ALREADY_KNOWN),
        ("AlreadyKnown", NodeSays.ALREADY_KNOWN),
        ("transaction already imported", NodeSays.ALREADY_KNOWN),
        ("nonce too low: next nonce 12, tx nonce 11", NodeSays.NONCE_TOO_LOW),
        ("OldNonce, Current nonce: 3, nonce of rejected tx: 1", NodeSays.NONCE_TOO_LOW),
        ("nonce too high: address 0x00, tx: 9 state: 3", NodeSays.NONCE_TOO_HIGH),
        ("replacement transaction underpriced", NodeSays.REPLACEMENT_UNDERPRICED),
        ("transaction underpriced: tip needed 1, tip permitted 0", NodeSays.UNDERPRICED),
        (
            "transaction gas price below minimum: gas tip cap 0, minimum needed 1",
            NodeSays.UNDERPRICED,
        ),
        ("FeeTooLow", NodeSays.UNDERPRICED),
        ("max fee per gas less than block base fee: address 0x00", NodeSays.FEE_BELOW_BASE),
        ("insufficient funds for gas * price + value: balance 0", NodeSays.INSUFFICIENT_FUNDS),
        ("intrinsic gas too low: gas 1, minimum needed 21000", NodeSays.GAS_TOO_LOW),
        ("intrinsic gas too high -- tx.gas_limit > env.block.gas_limit", NodeSays.GAS_TOO_LOW),
        ("txpool is full", NodeSays.POOL_FULL),
        ("execution reverted: ERC20: transfer amount exceeds balance", NodeSays.REVERTED),
        ("execution reverted: insufficient balance, nonce too low, already known", NodeSays.REVERTED),
        ("unknown transaction", NodeSays.UNKNOWN),
        ("INTERNAL_ERROR: existing tx with same hash", NodeSays.ALREADY_KNOWN),
        ("Transaction nonce is too distant from current sender nonce", NodeSays.NONCE_TOO_HIGH),
        ("Gas price below configured minimum gas price", NodeSays.UNDERPRICED),
        ("Gas price below current base fee", NodeSays.FEE_BELOW_BASE),
        ("InsufficientFunds, Account balance: 1, cumulative cost: 2", NodeSays.INSUFFICIENT_FUNDS),
        ("Upfront cost exceeds account balance", NodeSays.INSUFFICIENT_FUNDS),
        ("Intrinsic gas exceeds gas limit", NodeSays.GAS_TOO_LOW),
        ("sequencer pending tx pool full, please try again", NodeSays.POOL_FULL),
        ("queue full", NodeSays.POOL_FULL),
        ("50/second request limit reached", NodeSays.RATE_LIMITED),
        ("You've exceeded the RPS limit available on the current plan.", NodeSays.RATE_LIMITED),
        ("range 1000000 exceeds limit of 10000", NodeSays.TOO_MANY_RESULTS),
        ("eth_getLogs is limited to a 10,000 range", NodeSays.TOO_MANY_RESULTS),
        ("requested too many blocks from 0 to 9, maximum is set to 2048", NodeSays.TOO_MANY_RESULTS),
        ("query exceeds max results 20000, retry with the range 1-2", NodeSays.TOO_MANY_RESULTS),
        ("World state unavailable", NodeSays.UNKNOWN_BLOCK),
        ("query returned more than 10000 results", NodeSays.TOO_MANY_RESULTS),
        ("Your app has exceeded its compute units per second capacity", NodeSays.RATE_LIMITED),
        ("unknown block", NodeSays.UNKNOWN_BLOCK),
        ("header not found", NodeSays.UNKNOWN_BLOCK),
        ("the method eth_getBlockReceipts does not exist/is not available", NodeSays.METHOD_MISSING),
        ("computer says no", NodeSays.UNKNOWN),
        ("", NodeSays.UNKNOWN),
    ],
)
def test_words_of_known_nodes_have_their_meaning(words: str, meaning: NodeSays) -> None:
    assert read(words) is meaning


def test_unknown_words_ask_for_patience_and_not_for_failure() -> None:
    error = RpcError(method="eth_sendRawTransaction", code=-1, message="computer says\nno")

    assert isinstance(error, Retryable)
    assert error.says is NodeSays.UNKNOWN
    assert "\n" not in str(error)


def test_another_chain_than_configured_halts() -> None:
    assert isinstance(WrongChain(expected=1, found=5), Halted)
