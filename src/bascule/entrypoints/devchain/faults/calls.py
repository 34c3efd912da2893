"""The faults that hit single calls: each takes the call, may ask the node in its own way, and answers."""

from collections.abc import Awaitable, Callable
from typing import Any

from bascule.domain.hashing import keccak
from bascule.entrypoints.devchain.faults import views
from bascule.entrypoints.devchain.faults.armed import Strike
from bascule.entrypoints.devchain.faults.results import RESULTS
from bascule.entrypoints.devchain.faults.views import Call
from bascule.entrypoints.devchain.faults.words import WORDS, Words

Answer = dict[str, Any]
# Puts a call to the node, or to another one by its URL.
Ask = Callable[[Call, str | None], Awaitable[Answer]]


def answer(call: Call, **member: Any) -> Answer:
    """Returns an answer to the call with `result` or `error`."""
    return {"jsonrpc": "2.0", "id": call.get("id"), **member}


def error_body(words: Words) -> dict[str, Any]:
    """Returns a refusal as the error member of an answer."""
    body: dict[str, Any] = {"code": words.code, "message": words.message}
    return body if words.data is None else body | {"data": words.data}


async def head(ask: Ask) -> int:
    """Returns the node's newest height."""
    told = await ask({"jsonrpc": "2.0", "id": 0, "method": "eth_blockNumber", "params": []}, None)
    return int(told["result"], 16)


async def _height(ask: Ask, selector: str) -> int | None:
    """Returns the height of a tag, number or hash at the node; None for what it does not know."""
    if selector in views.HEADS:
        return await head(ask)
    if (known := views.height(selector)) is not None:
        return known
    method = "eth_getBlockByHash" if views.is_hash(selector) else "eth_getBlockByNumber"
    told = await ask({"jsonrpc": "2.0", "id": 0, "method": method, "params": [selector, False]}, None)
    block = told.get("result")
    return int(block["number"], 16) if block else None


async def bent(call: Call, strike: Strike, ask: Ask) -> Answer:
    """The true answer with a bent result."""
    true = await ask(call, None)
    if "result" not in true:
        return true
    values = strike.armed.fault.values
    return {**true, "result": RESULTS[strike.kind](true["result"], values)}


async def refused(call: Call, strike: Strike, ask: Ask) -> Answer:
    """A client's refusal, or one's own; the node may have done what was asked."""
    if strike["forwarded"]:
        await ask(call, None)
    own = Words(strike["code"], strike["message"] or "")
    words = own if strike["client"] is None else WORDS[strike["client"]][strike["says"]]
    return answer(call, error=error_body(words))


async def swallowed(call: Call, strike: Strike, ask: Ask) -> Answer:
    """The transaction's own hash, though nobody was told of it; nonsense goes on to be refused."""
    try:
        [raw] = call.get("params") or []
        return answer(call, result="0x" + keccak(bytes.fromhex(raw.removeprefix("0x"))).hex())
    except (ValueError, AttributeError):
        return await ask(call, None)


async def misnumbered(call: Call, strike: Strike, ask: Ask) -> Answer:
    """The true answer under an id nobody used."""
    return {**await ask(call, None), "id": f"not {call.get('id')}"}


async def stale(call: Call, strike: Strike, ask: Ask) -> Answer:
    """The head as it was; everything that is not asked by tag is true."""
    if strike.armed.stands_at is None:
        strike.armed.stands_at = await head(ask) if strike["at"] is None else strike["at"]
    at = hex(strike.armed.stands_at)
    if call["method"] == "eth_blockNumber":
        return answer(call, result=at)
    places = [at if selector in views.HEADS else selector for selector in views.selectors(call)]
    return await ask(views.looking_at(call, places), None)


async def lagging(call: Call, strike: Strike, ask: Ask) -> Answer:
    """What a replica says that has not seen the newest blocks."""
    behind = strike["blocks"]
    horizon = max(0, await head(ask) - behind)
    if call["method"] == "eth_blockNumber":
        return answer(call, result=hex(horizon))
    selectors = views.selectors(call)
    heights = [await _height(ask, selector) for selector in selectors]
    places = []
    for selector, height in zip(selectors, heights, strict=True):
        is_tag = selector in views.TAGS and height is not None
        seen = max(0, height - behind) if is_tag and height is not None else height
        if len(selectors) == 1 and seen is not None and seen > horizon:
            return answer(call, **views.lacking(call))
        places.append(hex(seen) if is_tag and seen is not None else selector)
    if len(places) == 2:  # a range of logs
        first, last = (views.height(place) for place in places)
        if first is not None and last is not None and first > min(last, horizon):
            return answer(call, result=[])
        places[1] = hex(min(last, horizon)) if last is not None else places[1]
    told = await ask(views.looking_at(call, places), None)
    return {**told, "result": views.below(told["result"], horizon)} if "result" in told else told


async def forked(call: Call, strike: Strike, ask: Ask) -> Answer:
    """The other node's word on its heights."""
    most = strike["to_block"]
    heights = [views.height(selector) for selector in views.selectors(call)]
    there = any(
        height is not None and strike["from_block"] <= height and (most is None or height <= most)
        for height in heights
    )
    return await ask(call, strike["upstream"] if there else None)


async def balanced(call: Call, strike: Strike, ask: Ask) -> Answer:
    """One node and the other in turn, the other first."""
    return await ask(call, strike["upstream"] if strike.number % 2 else None)


CALLS: dict[str, Callable[[Call, Strike, Ask], Awaitable[Answer]]] = {
    **dict.fromkeys(RESULTS, bent),
    "error": refused,
    "swallow": swallowed,
    "wrong_id": misnumbered,
    "stale_head": stale,
    "lag": lagging,
    "other_fork": forked,
    "flip_flop": balanced,
}
