"""Who is asked about a chain: one node, or a pool of them. What reads the chain takes either.

A question whose answer can be held against a hash is an `Ask`: it asks one node and raises when the answer
does not bear it out, so that a pool can ask the next one and keep what was said.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Protocol, TypeVar

from bascule.chain.errors import RpcError
from bascule.chain.evidence import Evidence, Exchange, Tellers
from bascule.chain.families import Family
from bascule.chain.worth import Worth
from bascule.domain.errors import BasculeError

T = TypeVar("T")
Call = tuple[str, Sequence[object]]
Ask = Callable[["Caller"], Awaitable[T]]
# What an answer says, place by place, to be compared with another node's; None: it does not know.
Said = Callable[[T], Sequence[object]]


class Caller(Protocol):
    """The calls of one node, and what only several can promise. All raise as `Rpc.call`."""

    @property
    def family(self) -> Family | None:
        """How the chain spells headers and receipts; None: nobody listed the chain."""

    @property
    def worth(self) -> Worth:
        """What the chain's headers prove; all there is, unless it was learned otherwise."""

    @property
    def quorum(self) -> int:
        """How many nodes must say the same before it is final."""

    @property
    def names(self) -> list[str]:
        """The nodes that are asked, by host and port: other parts of their URLs may be secret."""

    @property
    def evidence(self) -> Evidence:
        """The contradictions among answers that nobody has stored yet."""

    @property
    def exchange(self) -> Exchange | None:
        """The newest exchange of the one node that an `Ask` is given; None elsewhere."""

    async def call(self, method: str, *params: object) -> Any:
        """The method's result as plain JSON values. Raises: RpcError, NodeUnreachable, WrongShape."""

    async def call_as(self, shape: type[T], method: str, *params: object) -> T:
        """The method's result, which must have `shape` (a msgspec type)."""

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """The results in the order of `calls`; the first refusal among them is raised."""

    async def batch_as(self, shape: type[T], calls: Sequence[Call]) -> list[T]:
        """As `batch`, every result of the same `shape`."""

    async def batch_each(self, shape: type[T], calls: Sequence[Call]) -> list[T | RpcError]:
        """As `batch_as`, with each refusal in its place."""

    async def checked(self, ask: Ask[T], enough: Callable[[T], bool] | None = None) -> T:
        """The first answer that bears itself out. enough: whether the node knew all that was asked for;
        when none did, an answer that falls short is returned.
        """

    async def rising(self, name: str, ask: Ask[T], height: Callable[[T], int]) -> T:
        """An answer whose height is not below any that was returned under this name before, unless a quorum
        is far below it.
        """

    async def attested(self, name: str, ask: Ask[T], height: Callable[[T], int]) -> int:
        """The greatest height that `quorum` nodes have reached; never below what was returned before."""

    async def agreed(self, ask: Ask[T], said: Said[T], *, settled: bool, partly: bool = False) -> T:
        """What `quorum` nodes say. settled: it cannot change any more, so who says otherwise lies; partly:
        where fewer know all of it, as much as `quorum` nodes say alike, and None in the other places.

        Raises: NoQuorum when they are too few, NodesContradict (a NoQuorum) when they differ.
        """

    async def everyone(self, ask: Ask[T]) -> list[tuple[str, T | BasculeError]]:
        """What each node that may be asked now answers, by its name, best first; errors are answers too."""

    def refute(self, told: tuple[str, Exchange], against: tuple[str, Exchange] | None, why: str) -> None:
        """A node is proven wrong by what came after its answer: kept, and held against it when another node
        gave the proof.
        """

    def disputed(self, told: Tellers, against: Tellers, why: str) -> None:
        """Two answers cannot both be true, and nothing tells which is: both are kept, against nobody."""

    def noting(self, tellers: Tellers) -> Caller:
        """The same; each node whose answer is taken is put into `tellers`."""

    def other(self, than: Collection[str], *, only: bool = False) -> Caller:
        """The same, asking these nodes, by name, only when nobody else can answer.

        only: not even then, while there are others, so that what is told is a second opinion. Raises then:
        NodeUnreachable.
        """
