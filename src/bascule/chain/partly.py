"""Batches that a node refuses in part: what it answered counts, only the rest is asked again."""

from collections.abc import Mapping
from typing import TypeVar

from bascule.chain.caller import Call, Caller
from bascule.chain.errors import RpcError

K = TypeVar("K")
T = TypeVar("T")


async def answers(rpc: Caller, shape: type[T], calls: Mapping[K, Call]) -> tuple[dict[K, T], RpcError | None]:
    """What was answered, and the first refusal if there is one; each call under its key, results of `shape`.

    Whoever gets a refusal keeps the answers first and raises it then, so that the next node is asked, or this
    one again, for the rest. Raises as `Caller.batch_each`.
    """
    told: dict[K, T] = {}
    refusal: RpcError | None = None
    for key, answer in zip(calls, await rpc.batch_each(shape, list(calls.values())), strict=True):
        if isinstance(answer, RpcError):
            refusal = refusal or answer
        else:
            told[key] = answer
    return told, refusal
