"""Chains on which something stands already: laid once in a process, copied for each test.

A copy is a stored chain that the node reads at its start, so nothing is executed or signed again (2 ms
instead of 60 for a token with its holders).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar, cast

from bascule.entrypoints.devchain.node import DEFAULT_CHAIN_ID
from bascule.entrypoints.devchain.store import BLOCKS
from bascule.entrypoints.testing.postgres import fast_folder
from tests.support.chain import LocalNode, local_node

T = TypeVar("T")
Lay = Callable[[LocalNode], Awaitable[T]]


@dataclass(frozen=True)
class _Ground(Generic[T]):
    """A stored chain, as bytes of its file, and what `lay` said of it."""

    blocks: bytes
    stands: T


_grounds: dict[tuple[Lay[Any], int], _Ground[Any]] = {}


@asynccontextmanager
async def prepared_node(
    lay: Lay[T], *, data_dir: Path | None = None, chain_id: int = DEFAULT_CHAIN_ID, **options: Any
) -> AsyncIterator[tuple[LocalNode, T]]:
    """A chain where `lay` has been done, as `local_node` starts one, and what `lay` returned.

    data_dir: where it keeps its blocks, else a folder that goes with it. The first call's options are those
    of the laying (its clock gives the blocks their times).
    """
    key = lay, chain_id
    if key not in _grounds:
        _grounds[key] = await _laid(lay, chain_id=chain_id, **options)
    ground = cast("_Ground[T]", _grounds[key])
    async with AsyncExitStack() as stack:
        folder = data_dir or Path(stack.enter_context(_folder()))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / BLOCKS).write_bytes(ground.blocks)
        node = await stack.enter_async_context(local_node(data_dir=folder, chain_id=chain_id, **options))
        yield node, ground.stands


async def _laid(lay: Lay[T], **options: Any) -> _Ground[T]:
    with _folder() as folder:
        async with local_node(data_dir=Path(folder), **options) as node:
            stands = await lay(node)
        return _Ground((Path(folder) / BLOCKS).read_bytes(), stands)


def _folder() -> "TemporaryDirectory[str]":
    return TemporaryDirectory(prefix="bascule-chain-", dir=fast_folder())
