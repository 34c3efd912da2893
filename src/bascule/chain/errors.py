"""What nodes say when they refuse, read in this one place.

A node's words are evidence of a reason, never a verdict on money: every refusal is `Retryable`, and
`says` tells the caller which reaction fits. Words nobody has taught us are `unknown`, not failure.
"""

import re
from enum import StrEnum

from bascule.domain.errors import Halted, Retryable


class NodeSays(StrEnum):
    """What a refusal most likely means."""

    ALREADY_KNOWN = "already_known"
    NONCE_TOO_LOW = "nonce_too_low"
    NONCE_TOO_HIGH = "nonce_too_high"
    REPLACEMENT_UNDERPRICED = "replacement_underpriced"
    UNDERPRICED = "underpriced"
    FEE_BELOW_BASE = "fee_below_base"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    GAS_TOO_LOW = "gas_too_low"
    POOL_FULL = "pool_full"
    REVERTED = "reverted"
    TOO_MANY_RESULTS = "too_many_results"
    RATE_LIMITED = "rate_limited"
    TIMED_OUT = "timed_out"
    UNKNOWN_BLOCK = "unknown_block"
    METHOD_MISSING = "method_missing"
    UNKNOWN = "unknown"


# First match wins. Words of geth core/txpool/errors.go and core/error.go, erigon's pool, nethermind
# AcceptTxResult, besu RpcErrorType, nitro, reth's pool errors, anvil, eth-tester, and of hosted providers.
_WORDS: tuple[tuple[re.Pattern[str], NodeSays], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), meaning)
    for pattern, meaning in (
        # First, as a contract may put any of the words below into its reason.
        (r"execution reverted|\breverted?\b|vm exception", NodeSays.REVERTED),
        (r"already ?known|\bknown transaction|already imported|already in .*pool", NodeSays.ALREADY_KNOWN),
        (r"existing tx with same hash", NodeSays.ALREADY_KNOWN),
        (r"replacement.*(underpriced|fee too low)", NodeSays.REPLACEMENT_UNDERPRICED),
        (r"nonce (is )?too low|old ?nonce|nonce.*already (been )?used", NodeSays.NONCE_TOO_LOW),
        (r"nonce (is )?too (high|distant)|nonce ?gap|gapped.nonce", NodeSays.NONCE_TOO_HIGH),
        (r"(max fee per gas|fee cap).*less than.*base ?fee|below.*base ?fee", NodeSays.FEE_BELOW_BASE),
        (r"underpriced|fee ?too ?low|(tip|gas price).*below.*minimum", NodeSays.UNDERPRICED),
        (r"insufficient ?(funds|balance)|cost exceeds account balance", NodeSays.INSUFFICIENT_FUNDS),
        (r"intrinsic gas (too low|exceeds)|out of gas|gas limit.*exceed", NodeSays.GAS_TOO_LOW),
        (r"exceeds block gas limit|intrinsic gas too high", NodeSays.GAS_TOO_LOW),
        (r"pool (is )?full|txpool.*full|queue full|account limit exceeded", NodeSays.POOL_FULL),
        (r"rate limit|too many requests|compute units|capacity exceeded|\b429\b", NodeSays.RATE_LIMITED),
        (r"(request|\brps) limit", NodeSays.RATE_LIMITED),
        (r"timed? ?out|took too long|deadline exceeded", NodeSays.TIMED_OUT),
        (r"query returned more than|too many results|max results|response size", NodeSays.TOO_MANY_RESULTS),
        (r"block range|too many blocks|limited to .* range", NodeSays.TOO_MANY_RESULTS),
        (r"range.*exceeds|limit exceeded", NodeSays.TOO_MANY_RESULTS),
        (r"(unknown|missing) block|(header|block) not found", NodeSays.UNKNOWN_BLOCK),
        (r"missing trie node|state.*(not |un)available|no state available", NodeSays.UNKNOWN_BLOCK),
        (r"method.*(not found|not available|not supported|does not exist)", NodeSays.METHOD_MISSING),
    )
)  # fmt: skip


def read(message: str) -> NodeSays:
    """What a node's words mean; `unknown` when no line of the table knows them."""
    return next((meaning for pattern, meaning in _WORDS if pattern.search(message)), NodeSays.UNKNOWN)


class RpcError(Retryable):
    """The node answered with a refusal. `says`: what it means; `data`: revert data as the node gave it.

    retry_after: seconds after which it wants to be asked again, when it says so.
    """

    def __init__(
        self,
        *,
        method: str,
        code: int,
        message: str,
        data: object = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{method}: the node refused ({code}): {' '.join(message.split())[:300]}")
        self.method = method
        self.code = code
        self.message = message
        self.data = data
        self.retry_after = retry_after
        self.says = read(message)

    @property
    def reason(self) -> str:
        """What it means, by name."""
        return str(self.says)


class NodeUnreachable(Retryable):
    """No usable answer came; whether the request had an effect is unknown."""

    reason = "unreachable"

    def __init__(self, *, method: str, why: str) -> None:
        super().__init__(f"{method}: no answer from the node: {why[:300]}")
        self.method = method


class WrongShape(Retryable):
    """The answer is not what the method promises; nothing of it may be used. reason: to count it by."""

    reason = "wrong_shape"

    def __init__(self, *, method: str, why: str) -> None:
        super().__init__(f"{method}: the answer cannot be used: {why[:300]}")
        self.method = method


class Garbled(WrongShape):
    """No answer in JSON-RPC to what was asked, or a result of another type: a broken node, or none at all.

    reason: not_json_rpc, too_large, wrong_id, no_result or wrong_type.
    """

    def __init__(self, reason: str, *, method: str, why: str) -> None:
        super().__init__(method=method, why=why)
        self.reason = reason


class NoQuorum(Retryable):
    """Too few nodes say the same; it is asked again, and nothing becomes final meanwhile."""


class NodesContradict(NoQuorum):
    """There is no quorum because nodes tell different things of the same place."""


class NodesBehind(Retryable):
    """No node can be reached that knows as much as was known before."""


class IncompleteAnswer(Retryable):
    """The answer contradicts the block's own header; nothing of it may be used."""

    reason = "contradicts_header"


class WrongChain(Halted):
    """The node serves another chain than the one configured."""

    reason = "wrong_chain"

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"the node serves chain {found}, not {expected}; correct its URL or the chain's id")
        self.expected = expected
        self.found = found
