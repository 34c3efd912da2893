"""What goes wrong between us and a node, by reaction.

Every refusal is `Retryable`, and `says` tells the caller which reaction fits: words are read in
`node_words`, and those nobody has taught us are `unknown`, not failure.
"""

from bascule.chain.node_words import NodeSays, read
from bascule.domain.chain import Hash
from bascule.domain.errors import Halted, Retryable

__all__ = [
    "Garbled", "Hearsay", "IncompleteAnswer", "LeftOut", "NoQuorum", "NodeSays", "NodeUnreachable",
    "NodesBehind", "NodesContradict", "RpcError", "WrongChain", "WrongShape", "read",
]  # fmt: skip


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


class LeftOut(IncompleteAnswer):
    """The answer leaves out what the block's own header tells of: a lie, or an index that is late.

    number, block_hash: of the block.
    """

    def __init__(self, message: str, *, number: int, block_hash: Hash) -> None:
        super().__init__(message)
        self.number = number
        self.block_hash = block_hash


class Hearsay(IncompleteAnswer):
    """The answer contradicts what another node said and no hash bears out: one of them is wrong, and nothing
    tells which. Nothing of it may be used, and it is held against nobody.
    """

    reason = "contradicts_hearsay"


class WrongChain(Halted):
    """The node serves another chain than the one configured."""

    reason = "wrong_chain"

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"the node serves chain {found}, not {expected}; correct its URL or the chain's id")
        self.expected = expected
        self.found = found
