"""One request and its answer, through the faults that hit it.

The order is that of the wire: a delay, refusals without asking the node, the single calls (the fault set
first is nearest to the node), the batch, the body. What no fault hits is passed on as it came.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from bascule.entrypoints.devchain.faults import calls as hit_calls
from bascule.entrypoints.devchain.faults.armed import Faults, Strike
from bascule.entrypoints.devchain.faults.calls import CALLS, Answer, Ask
from bascule.entrypoints.devchain.faults.delivery import DELIVERIES, Delivery, encode
from bascule.entrypoints.devchain.faults.views import Call

# Sends one JSON body to the node, or to another one by its URL, and returns the JSON that came back.
Node = Callable[[Any, str | None], Awaitable[Any]]


async def exchange(faults: Faults, payload: Any, node: Node) -> Delivery:
    """Returns what the caller gets for `payload`, a decoded request or batch."""
    calls = payload if isinstance(payload, list) else [payload]
    strikes: list[Strike] = []
    if all(_well_formed(call) for call in calls):
        methods, head = [call["method"] for call in calls], partial(hit_calls.head, node)
        strikes = await faults.strike(methods, head, batch=isinstance(payload, list))
    if not strikes:
        return _delivery(await node(payload, None))
    await asyncio.sleep(sum(strike["seconds"] for strike in strikes if strike.kind == "delay"))
    for strike in strikes:
        if _unasked(strike):
            return DELIVERIES[strike.kind](Delivery(b""), strike, calls)
    answers = await _answers(calls, [s for s in strikes if s.kind in CALLS], node)
    told: Any = answers[0] if answers else None
    if isinstance(payload, list) and answers:
        told = _batch(answers, strikes)
    delivery = _delivery(told)
    for strike in strikes:
        if strike.kind in DELIVERIES:
            delivery = DELIVERIES[strike.kind](delivery, strike, calls)
    return delivery


def _well_formed(call: Any) -> bool:
    return (
        isinstance(call, dict)
        and isinstance(call.get("method"), str)
        and isinstance(call.get("params", []), list | None)
        and not isinstance(call.get("id"), list | dict)
    )


def _unasked(strike: Strike) -> bool:
    """Whether the answer is made without the node."""
    takes = strike.armed.fault.values
    return strike.kind == "http_error" or (strike.kind in DELIVERIES and takes.get("forwarded") is False)


def _delivery(told: Any) -> Delivery:
    return Delivery(b"" if told is None else encode(told))


async def _answers(calls: Sequence[Call], strikes: Sequence[Strike], node: Node) -> list[Answer]:
    """Returns the answers in the order of the calls; calls that no fault hits are asked together."""
    told: dict[int, Answer] = {}
    spared = [at for at in range(len(calls)) if not any(at in strike.places for strike in strikes)]
    if spared:
        together = [calls[at] for at in spared]
        alone = len(calls) == 1
        found = await node(together[0] if alone else together, None)
        told |= _paired(spared, calls, [found] if alone and found is not None else found)
    for at in range(len(calls)):
        hits = [strike for strike in strikes if at in strike.places]
        if hits:
            told[at] = await _through(hits, node)(calls[at], None)
    return [told[at] for at in sorted(told) if "id" in calls[at]]


def _paired(places: Sequence[int], calls: Sequence[Call], found: Any) -> dict[int, Answer]:
    """Returns each answer at the place of its call; a refusal of the whole batch stands at the first."""
    if found is None:
        return {}
    if isinstance(found, dict):
        return {places[0]: found}
    left, told = list(found), {}
    for at in places:
        match = next((one for one in left if "id" in calls[at] and one.get("id") == calls[at]["id"]), None)
        if match is not None:
            left.remove(match)
            told[at] = match
    return told


def _through(strikes: Sequence[Strike], ask: Ask) -> Ask:
    """Returns a way to ask the node that leads through these faults."""
    for strike in strikes:
        ask = partial(_hit, strike, ask)
    return ask


async def _hit(strike: Strike, ask: Ask, call: Call, upstream: str | None) -> Answer:
    inner = ask if upstream is None else partial(_elsewhere, ask, upstream)
    return await CALLS[strike.kind](call, strike, inner)


async def _elsewhere(ask: Ask, chosen: str, call: Call, upstream: str | None) -> Answer:
    return await ask(call, upstream or chosen)


def _batch(answers: list[Answer], strikes: Sequence[Strike]) -> list[Answer]:
    for strike in strikes:
        if strike.kind == "batch_reorder":
            answers = answers[::-1]
        elif strike.kind == "batch_missing":
            answers = answers[: -strike["drop"]]
        elif strike.kind == "batch_extra":
            answers = [*answers, {"jsonrpc": "2.0", "id": 10**9, "result": None}]
    return answers
