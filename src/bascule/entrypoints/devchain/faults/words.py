"""What nodes and hosted providers say when they refuse, word for word: one table.

The words are facts about other programs; beside each group stands where they come from. Numbers and
addresses in them are examples.
"""

from typing import NamedTuple

_ADDRESS = "0x336394A3219e71D9d9bd18201d34E95C1Bb7122C"
_ROOT = "c6ebfa185e24077a555f06caaf4b78d9e0ae9dcb7a693ec753e856f49f55c85c"


class Words(NamedTuple):
    """A refusal. status: the HTTP status it comes under; retry_after: seconds in that header, if any."""

    code: int
    message: str
    data: object = None
    status: int = 200
    retry_after: int | None = None


WORDS: dict[str, dict[str, Words]] = {
    # go-ethereum: core/txpool/errors.go, core/error.go, core/txpool/validation.go, trie/errors.go,
    # internal/ethapi (errors.go), eth/filters, rpc/errors.go.
    "geth": {
        "already_known": Words(-32000, "already known"),
        "nonce_too_low": Words(-32000, "nonce too low: next nonce 8090, tx nonce 8089"),
        "nonce_too_high": Words(-32000, "nonce too high"),
        "replacement_underpriced": Words(-32000, "replacement transaction underpriced"),
        "underpriced": Words(
            -32000, "transaction gas price below minimum: gas tip cap 1, minimum needed 1000000"
        ),
        "fee_below_base": Words(
            -32000,
            f"max fee per gas less than block base fee: address {_ADDRESS}, maxFeePerGas: 1, baseFee: 7",
        ),
        "fee_above_cap": Words(-32000, "tx fee (1.10 ether) exceeds the configured cap (1.00 ether)"),
        "insufficient_funds": Words(
            -32000,
            "insufficient funds for gas * price + value: balance 0, tx cost 9327080000000000, "
            "overshot 9327080000000000",
        ),
        "gas_too_low": Words(-32000, "intrinsic gas too low: gas 20000, minimum needed 21000"),
        "pool_full": Words(-32000, "txpool is full"),
        "reverted": Words(3, "execution reverted", "0x"),
        "unknown_block": Words(-32000, "header not found"),
        "missing_state": Words(
            -32000, f"missing trie node {_ROOT} (path ) state 0x{_ROOT} is not available, not found"
        ),
        "method_missing": Words(-32601, "the method eth_getBlockReceipts does not exist/is not available"),
    },
    # erigon: its fork of the pool's errors; "existing tx" is the older pool's, "crashed" what a pruned node
    # answered (erigontech/erigon issue 3152).
    "erigon": {
        "already_known": Words(-32000, "INTERNAL_ERROR: existing tx with same hash"),
        "nonce_too_low": Words(-32000, "nonce too low"),
        "replacement_underpriced": Words(-32000, "replacement transaction underpriced"),
        "underpriced": Words(-32000, "transaction underpriced"),
        "insufficient_funds": Words(-32000, "insufficient funds for gas * price + value"),
        "unknown": Words(-32000, "method handler crashed"),
    },
    # nethermind: TxPool/AcceptTxResult.cs and its filters; NethermindEth/nethermind issue 9408.
    "nethermind": {
        "already_known": Words(-32010, "AlreadyKnown"),
        "nonce_too_low": Words(-32010, "OldNonce, Current nonce: 22, nonce of rejected tx: 17"),
        "nonce_too_high": Words(-32010, "NonceGap, Future nonce. Expected nonce: 10"),
        "underpriced": Words(
            -32010,
            "FeeTooLow, FeePerGas needs to be higher than 100 to be added to the TxPool. "
            "Affordable FeePerGas of rejected tx: 50.",
        ),
        "insufficient_funds": Words(
            -32010,
            "InsufficientFunds, Account balance: 4740799397601480913, cumulative cost: 22019342038993800000",
        ),
        "unknown": Words(
            -32603,
            "Internal error",
            f"Nethermind.Trie.MissingTrieNodeException: Node A: P:2 H:0x{_ROOT} is missing from the DB",
        ),
    },
    # besu: RpcErrorType.java.
    "besu": {
        "already_known": Words(-32000, "Known transaction"),
        "nonce_too_low": Words(-32001, "Nonce too low"),
        "nonce_too_high": Words(-32000, "Transaction nonce is too distant from current sender nonce"),
        "replacement_underpriced": Words(-32000, "Replacement transaction underpriced"),
        "underpriced": Words(-32009, "Gas price below configured minimum gas price"),
        "fee_below_base": Words(-32009, "Gas price below current base fee"),
        "fee_above_cap": Words(-32000, "Transaction fee cap exceeded"),
        "insufficient_funds": Words(-32004, "Upfront cost exceeds account balance"),
        "gas_too_low": Words(-32003, "Intrinsic gas exceeds gas limit"),
        "unknown_block": Words(-32000, "Block not found"),
        "missing_state": Words(-32000, "World state unavailable"),
        "block_range": Words(-32000, "Requested range exceeds maximum RPC range limit"),
    },
    # nitro: OffchainLabs/go-ethereum core/state_transition.go; the sequencer's queue.
    "arbitrum": {
        "nonce_too_low": Words(-32000, f"nonce too low: address {_ADDRESS}, tx: 8089 state: 8090"),
        "nonce_too_high": Words(-32000, f"nonce too high: address {_ADDRESS}, tx: 8091 state: 8090"),
        "fee_below_base": Words(
            -32000,
            f"max fee per gas less than block base fee: address {_ADDRESS}, maxFeePerGas: 1 baseFee: 7",
        ),
        "insufficient_funds": Words(
            -32000,
            f"insufficient funds for gas * price + value: address {_ADDRESS} have 9934612900000000 "
            "want 9936662900000000",
        ),
        "pool_full": Words(-32000, "sequencer pending tx pool full, please try again"),
        "queue_full": Words(-32000, "queue full"),
    },
    # reth: crates/rpc eth filter errors, as quoted in base/base issue 2421.
    "reth": {
        "too_many_results": Words(
            -32602, "query exceeds max results 20000, retry with the range 25766988-25775072"
        ),
    },
    # foundry: crates/anvil eth/error.rs.
    "anvil": {
        "already_known": Words(-32003, "transaction already imported"),
        "nonce_too_low": Words(-32003, "nonce too low"),
        "replacement_underpriced": Words(-32003, "replacement transaction underpriced"),
        "insufficient_funds": Words(-32003, "Insufficient funds for gas * price + value"),
    },
    # Hosted providers: their reference pages, and answers quoted by chainlink-evm pkg/client
    # (Test_IsTooManyResultsError), ponder packages/utils, rindexer (retry_with_block_range), foundry (retry
    # policy), gochain/web3 issue 180, INFURA/infura issue 237.
    "alchemy": {
        "rate_limited": Words(
            429,
            "Your app has exceeded its compute units per second capacity. If you have retries enabled, you "
            "can safely ignore this message.",
            status=429,
            retry_after=1,
        ),
        "too_many_results": Words(
            -32602,
            "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and "
            "no limit on the response size, or you can request any block range with a cap of 10K logs in "
            "the response. Based on your parameters and the response size limit, this block range should "
            "work: [0x0, 0x133e71]",
        ),
        "block_range": Words(
            -32600,
            "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range. Based "
            "on your parameters, this block range should work: [0x1180fca, 0x1180fd3]. Upgrade to PAYG for "
            "expanded block range.",
        ),
    },
    "infura": {
        "rate_limited": Words(
            -32005,
            "daily request count exceeded, request rate limited",
            {"rate": {"allowed_rps": 1, "backoff_seconds": 30, "current_rps": 2.2}},
            status=429,
        ),
        "too_many_results": Words(
            -32005,
            "query returned more than 10000 results. Try with this block range [0xCB3D, 0x7B737].",
            {"from": "0xCB3D", "limit": 10000, "to": "0x7B737"},
        ),
        "block_range": Words(-32602, "range 1000000 exceeds limit of 10000"),
    },
    "quicknode": {
        "rate_limited": Words(
            -32007,
            "50/second request limit reached - reduce calls per second or upgrade your account at "
            "quicknode.com",
            status=429,
        ),
        "block_range": Words(-32614, "eth_getLogs is limited to a 10,000 range"),
    },
    "ankr": {"block_range": Words(-32600, "block range is too wide")},
    "tenderly": {"rate_limited": Words(-32005, "rate limit exceeded", status=429)},
    "drpc": {
        "block_range": Words(-32000, "requested too many blocks from 0 to 16777216, maximum is set to 2048"),
    },
    "publicnode": {"block_range": Words(-32701, "exceed maximum block range: 50000")},
    # The code is ours: the sources name the words alone.
    "base": {"block_range": Words(-32000, "block range too large")},
    "chainstack": {
        "rate_limited": Words(
            -32005, "You've exceeded the RPS limit available on the current plan.", status=429
        ),
        "timed_out": Words(-32002, "request timed out"),
    },
}
