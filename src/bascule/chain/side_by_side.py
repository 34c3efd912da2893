"""Several nodes asked at once: nobody waits for the slowest when the others have said enough."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from bascule.chain.node import Node
from bascule.chain.votes import Answer

Asked = Mapping[asyncio.Task[Answer], Node]
Late = Callable[[Answer], None]


async def answers(
    nodes: Sequence[Node],
    ask: Callable[[Node], Coroutine[Any, Any, Answer]],
    *,
    enough: Callable[[Sequence[Answer]], bool],
    late: Late,
    patience_s: float,
) -> list[Answer]:
    """What the nodes answer until it is enough, and `patience_s` longer, in the order of `nodes`.

    Who has not answered then owes it (`Node.owing`); `late` is told when it comes.
    """
    asked = {asyncio.create_task(ask(node)): node for node in nodes}
    try:
        heard = await _until(asked, enough, late, patience_s)
    except BaseException:
        for task in asked:
            task.cancel()
        raise
    return sorted(heard, key=lambda answer: nodes.index(answer.node))


async def _until(
    asked: Asked, enough: Callable[[Sequence[Answer]], bool], late: Late, patience_s: float
) -> list[Answer]:
    waiting, heard = set(asked), list[Answer]()
    while waiting and not enough(heard):
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        heard += [task.result() for task in done]
    if waiting:
        done, waiting = await asyncio.wait(waiting, timeout=patience_s)
        heard += [task.result() for task in done]
    for task in waiting:
        _leave(task, asked[task], late)
    return heard


def _leave(task: asyncio.Task[Answer], node: Node, late: Late) -> None:
    def ended(task: asyncio.Task[Answer]) -> None:
        node.owing.discard(task)
        if not task.cancelled():
            late(task.result())

    node.owing.add(task)
    task.add_done_callback(ended)
