"""Where a call looks on the chain: by tag, height or hash; and the same call looking elsewhere. Pure."""

from typing import Any

Call = dict[str, Any]

HEADS = ("latest", "pending")
TAGS = (*HEADS, "safe", "finalized")
# The place of the block among a method's parameters, and what the method answers about a block it lacks.
_STATE = {"eth_call": 1, "eth_estimateGas": 1, "eth_getBalance": 1, "eth_getCode": 1}
_STATE |= {"eth_getTransactionCount": 1, "eth_getStorageAt": 2, "eth_feeHistory": 1}
_LOOKUPS = {"eth_getBlockByNumber": 0, "eth_getBlockByHash": 0, "eth_getBlockReceipts": 0}
_LOOKUPS |= {"eth_getBlockTransactionCountByNumber": 0, "eth_getBlockTransactionCountByHash": 0}
_LOOKUPS |= {"eth_getTransactionByBlockNumberAndIndex": 0, "eth_getTransactionByBlockHashAndIndex": 0}
_AT = _STATE | _LOOKUPS
LOGS = "eth_getLogs"
# In geth's words, core/state and eth/filters.
_NO_BLOCK = {"code": -32000, "message": "header not found"}
_NO_LOGS = {"code": -32000, "message": "unknown block"}


def selectors(call: Call) -> list[str]:
    """Returns the tags, heights and hashes a call names; `latest` where it names none and needs one."""
    params = call.get("params") or []
    method = call["method"]
    if method == LOGS:
        criteria = params[0] if params and isinstance(params[0], dict) else {}
        if "blockHash" in criteria:
            return [criteria["blockHash"]] if isinstance(criteria["blockHash"], str) else []
        ends = [criteria.get(name) or "latest" for name in ("fromBlock", "toBlock")]
        return ends if all(isinstance(end, str) for end in ends) else []
    at = _AT.get(method)
    if at is None:
        return []
    chosen = params[at] if len(params) > at else "latest"
    if isinstance(chosen, dict):
        chosen = chosen.get("blockHash") or chosen.get("blockNumber")
    return [chosen] if isinstance(chosen, str) else ["latest"]


def looking_at(call: Call, places: list[str]) -> Call:
    """Returns the call with its selectors replaced, in the order in which `selectors` gave them."""
    method, params = call["method"], list(call.get("params") or [])
    if not places or places == selectors(call):
        return call
    if method == LOGS:
        criteria = params[0] if params and isinstance(params[0], dict) else {}
        return call | {"params": [{**criteria, "fromBlock": places[0], "toBlock": places[1]}]}
    at = _AT[method]
    params[at:] = [places[0], *params[at + 1 :]]
    return call | {"params": params}


def is_hash(selector: str) -> bool:
    return len(selector) == 66


def height(selector: str) -> int | None:
    """The height a selector names; None for tags and hashes."""
    if selector == "earliest":
        return 0
    try:
        return None if selector in TAGS or is_hash(selector) else int(selector, 16)
    except ValueError:
        return None


def lacking(call: Call) -> dict[str, Any]:
    """Returns what a node answers that does not have the block."""
    if call["method"] == LOGS:
        return {"error": _NO_LOGS}
    return {"error": _NO_BLOCK} if call["method"] in _STATE else {"result": None}


def below(result: Any, horizon: int) -> Any:
    """Returns a result without what lies above `horizon`: null for such an object, lists without it."""
    if isinstance(result, list):
        return [entry for entry in result if not _above(entry, horizon)]
    return None if _above(result, horizon) else result


def _above(entry: Any, horizon: int) -> bool:
    if not isinstance(entry, dict):
        return False
    number = entry.get("blockNumber", entry.get("number"))
    return isinstance(number, str) and int(number, 16) > horizon
