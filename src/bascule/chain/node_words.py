"""What nodes' words mean: one table, and what each meaning says about bytes that were offered.

A node's words are evidence of a reason, never a verdict on money: they change when, at what fee and to whom
bytes are offered, never who owns a nonce or an id. Codes are not looked at: one code covers opposite reasons.
"""

import re
from collections.abc import Mapping
from enum import StrEnum


class NodeSays(StrEnum):
    """What a refusal most likely means."""

    ALREADY_KNOWN = "already_known"
    NONCE_TOO_LOW = "nonce_too_low"
    NONCE_TOO_HIGH = "nonce_too_high"
    REPLACEMENT_UNDERPRICED = "replacement_underpriced"
    UNDERPRICED = "underpriced"
    FEE_BELOW_BASE = "fee_below_base"
    FEE_ABOVE_CAP = "fee_above_cap"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    GAS_TOO_LOW = "gas_too_low"
    INVALID = "invalid"
    POOL_FULL = "pool_full"
    REVERTED = "reverted"
    TOO_MANY_RESULTS = "too_many_results"
    RATE_LIMITED = "rate_limited"
    TIMED_OUT = "timed_out"
    UNKNOWN_BLOCK = "unknown_block"
    METHOD_MISSING = "method_missing"
    UNKNOWN = "unknown"


class Bytes(StrEnum):
    """What a refusal says about the bytes that were offered, and so what is worth doing next."""

    IN_POOL = "in_pool"  # that node has them
    NONCE_USED = "nonce_used"  # something was mined there, perhaps they: look up all we signed for it
    NONCE_HELD = "nonce_held"  # something waits there, perhaps an older attempt: wait, or pay more
    GAP = "gap"  # an earlier nonce is missing at that node
    TOO_CHEAP = "too_cheap"  # not in that pool; worth asking for more at once
    UNFUNDED = "unfunded"  # not in that pool; the wallet needs money, then the same bytes go
    HOPELESS = "hopeless"  # that node will never take them; a person is told
    UNKNOWN = "unknown"  # they may be in a pool


ANY = "any"  # of every client, or of what stands before it: a provider, a proxy

# What is said, what it means, and whose dialects it is of. First match wins, and all dialects are tried: what
# client answers behind a provider's name is not known, and changes without notice. Words of geth
# core/txpool/errors.go, core/error.go and internal/ethapi, erigon's pool, nethermind AcceptTxResult, besu
# RpcErrorType, parity's rpc helpers/errors.rs, avalanche, nitro, zkSync's api_server, frontier (Substrate),
# reth's pool errors, anvil, py-evm under eth-tester, and hosted providers.
WORDS: tuple[tuple[str, NodeSays, str], ...] = (
    # First, as a contract may put any of the words below into its reason.
    (r"execution reverted|\breverted?\b|vm exception", NodeSays.REVERTED, ANY),
    (r"already ?known|\bknown transaction|already imported|already in .*pool", NodeSays.ALREADY_KNOWN,
     "geth erigon besu nethermind parity zksync anvil reth"),
    (r"existing tx with same hash|AlreadyImported|already exists in cache", NodeSays.ALREADY_KNOWN,
     "erigon substrate"),
    (r"replacement.*(underpriced|fee too low)", NodeSays.REPLACEMENT_UNDERPRICED,
     "geth erigon besu anvil reth"),
    # nethermind's OwnNonceAlreadyUsed: a transaction of the same nonce waits, ours or another.
    (r"another (transaction|tx) .*same nonce|OwnNonceAlreadyUsed", NodeSays.REPLACEMENT_UNDERPRICED,
     "nethermind parity"),
    (r"nonce (is )?too low|old ?nonce|nonce.*already (been )?used|Pool\(Stale\)", NodeSays.NONCE_TOO_LOW,
     "geth erigon besu nethermind parity avalanche arbitrum zksync substrate anvil"),
    # py-evm and old nitro say this of both a low and a high nonce; looking up is right for either.
    (r"invalid transaction nonce", NodeSays.NONCE_TOO_LOW, "arbitrum eth-tester"),
    (r"nonce (is )?too (high|distant)|nonce ?gap|gapped.nonce|Pool\(Future\)", NodeSays.NONCE_TOO_HIGH,
     "geth besu nethermind arbitrum zksync substrate"),
    (r"too far in the future", NodeSays.NONCE_TOO_HIGH, "besu"),
    (r"fee.*exceeds the configured cap|fee cap exceeded", NodeSays.FEE_ABOVE_CAP, "geth besu"),
    (r"(max fee per gas|fee cap|gas price).*less than.*base ?fee|below.*base ?fee", NodeSays.FEE_BELOW_BASE,
     "geth besu avalanche arbitrum substrate anvil"),
    (r"transaction gas is too low", NodeSays.GAS_TOO_LOW, "parity"),
    (r"underpriced|fee ?too ?low|(tip|gas price).*below.*minimum", NodeSays.UNDERPRICED,
     "geth erigon besu nethermind"),
    (r"gas price (is )?too low|unacceptable gas price|pubdata price too high", NodeSays.UNDERPRICED,
     "parity arbitrum zksync"),
    (r"insufficient ?(funds|balance)|(cost exceeds|exceeds) account balance", NodeSays.INSUFFICIENT_FUNDS,
     "geth erigon besu nethermind parity zksync anvil"),
    (r"(not|does not have) enough (funds|balance)|cannot afford|overdraft", NodeSays.INSUFFICIENT_FUNDS,
     "geth arbitrum eth-tester"),
    # geth's estimate for a wallet that cannot pay for more gas.
    (r"gas required exceeds allowance", NodeSays.INSUFFICIENT_FUNDS, "geth"),
    (r"failed to pay (for|the fee)|not enough gas for transaction validation", NodeSays.GAS_TOO_LOW,
     "zksync"),
    (r"intrinsic gas (too low|exceeds)|out ?of ?gas|(supplied )?gas.* limit.*exceed", NodeSays.GAS_TOO_LOW,
     "geth besu anvil reth"),
    (r"exceeds (block gas|current gas) limit|gas is beyond limit", NodeSays.GAS_TOO_LOW, "geth parity"),
    (r"intrinsic gas too high|GasLimitExceeded|floor data gas", NodeSays.GAS_TOO_LOW,
     "geth nethermind anvil"),
    (r"oversized data|too (big|large)\b.*(limit|max)|invalid RLP|rlp:", NodeSays.INVALID,
     "geth parity zksync"),
    (r"gas uint64 overflow|negative value", NodeSays.INVALID, "erigon"),
    (r"invalid (sender|signature|chain ?id|message format)|wrong chain ?id", NodeSays.INVALID,
     "geth besu arbitrum"),
    (r"SenderIsContract|FailedToResolveSender|Int256Overflow|only replay-protected", NodeSays.INVALID,
     "geth nethermind"),
    (r"higher than max ?fee|(sender|recipient|code) is banned|forbidden sender", NodeSays.INVALID,
     "geth parity arbitrum"),
    (r"pool (is )?full|txpool.*full|queue full|account limit exceeded", NodeSays.POOL_FULL,
     "geth arbitrum reth"),
    (r"too many transactions in the queue|FeeTooLowToCompete", NodeSays.POOL_FULL, "parity"),
    (r"rate limit|too many requests|compute units|capacity exceeded|\b429\b", NodeSays.RATE_LIMITED, ANY),
    (r"(request|\brps) limit", NodeSays.RATE_LIMITED, ANY),
    (r"timed? ?out|took too long|deadline exceeded", NodeSays.TIMED_OUT, ANY),
    (r"query returned more than|too many results|max results|response size", NodeSays.TOO_MANY_RESULTS, ANY),
    (r"block range|too many blocks|limited to .* range", NodeSays.TOO_MANY_RESULTS, ANY),
    (r"range.*exceeds|limit exceeded", NodeSays.TOO_MANY_RESULTS, ANY),
    (r"(unknown|missing) block|(header|block) not found", NodeSays.UNKNOWN_BLOCK, ANY),
    (r"missing trie node|state.*(not |un)available|no state available", NodeSays.UNKNOWN_BLOCK, ANY),
    (r"method.*(not found|not available|not supported|does not exist)", NodeSays.METHOD_MISSING, ANY),
)  # fmt: skip

# What is not listed says nothing of the bytes: a node's own limit, a proxy, words nobody has taught us.
MEANT_FOR_BYTES: Mapping[NodeSays, Bytes] = {
    NodeSays.ALREADY_KNOWN: Bytes.IN_POOL,
    NodeSays.NONCE_TOO_LOW: Bytes.NONCE_USED,
    NodeSays.NONCE_TOO_HIGH: Bytes.GAP,
    NodeSays.REPLACEMENT_UNDERPRICED: Bytes.NONCE_HELD,
    NodeSays.UNDERPRICED: Bytes.TOO_CHEAP,
    NodeSays.FEE_BELOW_BASE: Bytes.TOO_CHEAP,
    NodeSays.INSUFFICIENT_FUNDS: Bytes.UNFUNDED,
    NodeSays.GAS_TOO_LOW: Bytes.HOPELESS,
    NodeSays.INVALID: Bytes.HOPELESS,
}

_READERS = tuple((re.compile(pattern, re.IGNORECASE), meaning) for pattern, meaning, _ in WORDS)


def read(message: str) -> NodeSays:
    """What a node's words mean; `unknown` when no line of the table knows them."""
    return next((meaning for pattern, meaning in _READERS if pattern.search(message)), NodeSays.UNKNOWN)


def of_bytes(says: NodeSays) -> Bytes:
    """What a refusal says about bytes that were offered; everything doubtful is `unknown`."""
    return MEANT_FOR_BYTES.get(says, Bytes.UNKNOWN)
