"""The vocabulary: every kind of fault with its parameters, and how a specification is read.

A specification is one object, `{"kind": "truncate", "drop": 2, "methods": ["eth_getLogs"], "times": 3}`:
the kind's own parameters, and those in `SELECTION`, which every kind takes. A wrong one is refused whole,
with what would be right.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bascule.entrypoints.devchain.errors import RpcError, invalid_params
from bascule.entrypoints.devchain.faults import read
from bascule.entrypoints.devchain.faults.words import WORDS

LISTS = ("eth_getLogs", "eth_getBlockReceipts")
BLOCKS = ("eth_getBlockByNumber", "eth_getBlockByHash")
LOOKUPS = (*BLOCKS, "eth_getTransactionByHash", "eth_getTransactionReceipt")
SEND = ("eth_sendRawTransaction",)
# Methods that steer a node are never bent, or nobody could end a fault.
CONTROLS = ("bascule_", "evm_", "anvil_", "hardhat_")
REQUIRED = object()


@dataclass(frozen=True)
class Parameter:
    """One value of a fault. read: returns the value, or raises ValueError saying what is needed."""

    read: Callable[[object], Any]
    default: object
    meaning: str


@dataclass(frozen=True)
class Kind:
    """A kind of fault. methods: those it hits unless a fault names others; none: all but controls.

    whole: hits a request or batch as a whole, not each call in it; batches: hits nothing but batches;
    second_node: takes another node's URL.
    """

    name: str
    does: str
    methods: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    whole: bool = False
    batches: bool = False
    second_node: bool = False


@dataclass(frozen=True)
class Fault:
    """A fault as it was asked for: `values` are the kind's parameters."""

    kind: Kind
    values: Mapping[str, Any]
    methods: frozenset[str]
    times: int | None
    skip: int
    chance: float
    seed: int
    for_blocks: int | None
    for_seconds: float | None

    def concerns(self, method: str) -> bool:
        """Whether calls of this method may be hit."""
        return method in self.methods if self.methods else not method.startswith(CONTROLS)

    def shown(self) -> dict[str, Any]:
        """The specification again, with every default filled in."""
        chosen = {name: getattr(self, name) for name in SELECTION if name != "methods"}
        return {"kind": self.kind.name, "methods": sorted(self.methods), **chosen, **self.values}


_BLOCK = Parameter(read.optional(read.whole(0)), None, "only entries of the block at this height")
_FORWARDED = Parameter(read.flag, False, "true: the node gets the request all the same")
_SECONDS = Parameter(read.seconds, 1.0, "how long")
_UPSTREAM = Parameter(read.url, REQUIRED, "URL of the other node")
_CLIENT = Parameter(read.optional(read.one_of(WORDS)), None, "whose words; see the table of words")
_SAYS = Parameter(read.optional(read.text), None, "which refusal of that client")

SELECTION: dict[str, Parameter] = {
    "methods": Parameter(read.methods(CONTROLS), None, "JSON-RPC methods that are hit"),
    "times": Parameter(read.optional(read.whole(1)), None, "how many hits, then no more"),
    "skip": Parameter(read.whole(0), 0, "how many that would be hit pass before the first hit"),
    "chance": Parameter(read.share, 1.0, "the share that is hit, drawn from the seed"),
    "seed": Parameter(read.whole(0), 0, "where the draws start; the same seed draws the same"),
    "for_blocks": Parameter(
        read.optional(read.whole(1)), None, "ends when the chain has grown by so many since its first call"
    ),
    "for_seconds": Parameter(read.optional(read.seconds), None, "ends so long after it was set"),
}

_ALL = (
    Kind(
        "drop",
        "closes the connection without an answer",
        parameters={"forwarded": _FORWARDED},
        whole=True,
    ),
    Kind(
        "hang",
        "is silent until the caller gives up, at most so long, then closes",
        parameters={
            "seconds": Parameter(read.seconds, 30.0, "how long at most"),
            "forwarded": _FORWARDED,
        },
        whole=True,
    ),
    Kind("delay", "waits before the node is asked", parameters={"seconds": _SECONDS}, whole=True),
    Kind(
        "error",
        "answers with a JSON-RPC error: a client's words, or your own",
        parameters={
            "client": _CLIENT,
            "says": _SAYS,
            "code": Parameter(read.code, -32000, "of your own words"),
            "message": Parameter(read.optional(read.text), None, "your own words"),
            "forwarded": _FORWARDED,
        },
    ),
    Kind(
        "http_error",
        "refuses the whole request in a provider's words under its HTTP status",
        parameters={
            "client": Parameter(read.one_of(WORDS), REQUIRED, "whose words"),
            "says": Parameter(read.text, REQUIRED, "which refusal of that client"),
        },
        whole=True,
    ),
    Kind(
        "page",
        "answers with a web page instead of JSON, as gateways do",
        parameters={
            "status": Parameter(read.whole(200, 599), 502, "HTTP status"),
            "text": Parameter(read.optional(read.text), None, "plain text instead of an HTML page"),
            "retry_after": Parameter(read.optional(read.whole(0)), None, "seconds in that header"),
            "forwarded": _FORWARDED,
        },
        whole=True,
    ),
    Kind(
        "cut",
        "ends the JSON early, with lengths that agree",
        parameters={"keep": Parameter(read.share, 0.5, "share of the body that is sent")},
        whole=True,
    ),
    Kind(
        "reset",
        "resets the connection within the body",
        parameters={"keep": Parameter(read.share, 0.5, "share of the body that is sent")},
        whole=True,
    ),
    Kind(
        "drip",
        "sends the body in pieces over so long",
        parameters={
            "seconds": _SECONDS,
            "pieces": Parameter(read.whole(2, 1_000), 10, "how many pieces"),
        },
        whole=True,
    ),
    Kind(
        "huge",
        "sends so many bytes of blanks before the true answer",
        parameters={"bytes": Parameter(read.whole(1, 2**30), 2**24, "how many")},
        whole=True,
    ),
    Kind(
        "duplicate_keys",
        "names `result` twice in each answer; the second is false",
        parameters={"second": Parameter(read.anything, None, "the second result")},
        whole=True,
    ),
    Kind("batch_reorder", "answers a batch in another order", whole=True, batches=True),
    Kind(
        "batch_missing",
        "leaves the last answers of a batch out",
        parameters={"drop": Parameter(read.whole(1), 1, "how many")},
        whole=True,
        batches=True,
    ),
    Kind("batch_extra", "adds an answer to a request nobody made", whole=True, batches=True),
    Kind("wrong_id", "answers under another request's id"),
    Kind("empty", "answers with an empty list", LISTS, {"block": _BLOCK}),
    Kind(
        "truncate",
        "leaves the last entries of a list out",
        LISTS,
        {"drop": Parameter(read.whole(1), 1, "how many"), "block": _BLOCK},
    ),
    Kind(
        "omit",
        "leaves one entry of a list out",
        LISTS,
        {"index": Parameter(read.whole(), 0, "which; negative counts from the end"), "block": _BLOCK},
    ),
    Kind("duplicate", "answers with every entry of a list twice", LISTS, {"block": _BLOCK}),
    Kind("reorder", "answers with a list back to front", LISTS),
    Kind("null", "answers null", LOOKUPS),
    Kind(
        "bend",
        "changes one field of one entry of a list, or of an object",
        LISTS,
        {
            "field": Parameter(read.text, REQUIRED, "its name"),
            "value": Parameter(read.anything, None, "instead; null: another of the same length"),
            "index": Parameter(read.whole(), 0, "which entry; negative counts from the end"),
        },
    ),
    Kind(
        "wrong_hash",
        "names another hash in a block",
        BLOCKS,
        {"field": Parameter(read.one_of(("hash", "parentHash")), "hash", "hash or parentHash")},
    ),
    Kind(
        "wrong_chain",
        "names another chain",
        ("eth_chainId", "net_version"),
        {"chain_id": Parameter(read.whole(1), 1, "which")},
    ),
    Kind("swallow", "says the hash of a transaction and keeps it from the node", SEND),
    Kind(
        "stale_head",
        "lets the head stand still, all else is true",
        parameters={"at": Parameter(read.optional(read.whole(0)), None, "height; null: as first seen")},
    ),
    Kind(
        "lag",
        "is a replica so many blocks behind, for every method, tag and hash",
        parameters={"blocks": Parameter(read.whole(1), 1, "how many")},
    ),
    Kind(
        "other_fork",
        "answers for these heights from another node",
        parameters={
            "upstream": _UPSTREAM,
            "from_block": Parameter(read.whole(0), 0, "lowest height"),
            "to_block": Parameter(read.optional(read.whole(0)), None, "highest height"),
        },
        second_node=True,
    ),
    Kind(
        "flip_flop",
        "asks this node and another one in turn, as a load balancer does",
        parameters={"upstream": _UPSTREAM},
        whole=True,
        second_node=True,
    ),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}


def parse(specification: object, *, second_node: bool) -> Fault:
    """Returns the fault that was asked for; `second_node` says whether another node's URL may be named.

    Raises RpcError (invalid params) with what is wrong and what would be right.
    """
    if not isinstance(specification, dict):
        raise invalid_params('fault: an object with "kind" is needed')
    name = specification.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise invalid_params(f"kind: one of {', '.join(KINDS)} is needed")
    if kind.second_node and not second_node:
        raise invalid_params(f"kind: {kind.name} needs a second node, which only the fault proxy can ask")
    takes = {**kind.parameters, **SELECTION}
    unknown = sorted(specification.keys() - takes.keys() - {"kind"})
    if unknown:
        raise invalid_params(f"{kind.name}: unknown member {unknown[0]}; it takes {', '.join(takes)}")
    values = {member: _value(kind, member, takes[member], specification) for member in takes}
    chosen = {member: values.pop(member) for member in SELECTION}
    chosen["methods"] = frozenset(kind.methods if chosen["methods"] is None else chosen["methods"])
    _check_words(kind, values)
    return Fault(kind, values, **chosen)


def _value(kind: Kind, member: str, parameter: Parameter, given: dict[str, Any]) -> Any:
    if member not in given:
        if parameter.default is REQUIRED:
            raise invalid_params(f"{kind.name}: {member} is needed: {parameter.meaning}")
        return parameter.default
    try:
        return parameter.read(given[member])
    except ValueError as error:
        raise invalid_params(f"{kind.name}: {member}: {error}") from None


def _check_words(kind: Kind, values: dict[str, Any]) -> None:
    """A client and what it says belong together, and own words stand alone."""
    if "says" not in kind.parameters:
        return
    client, says = values["client"], values["says"]
    if client is None:
        if says is not None or values["message"] is None:
            raise _either()
        return
    if values.get("message") is not None or says is None:
        raise _either()
    under_status = kind.name == "http_error"
    known = [name for name, words in WORDS[client].items() if not under_status or words.status != 200]
    if under_status and not known:
        raise invalid_params(f"http_error: {client} says nothing under a status of its own; take `error`")
    if says not in known:
        raise invalid_params(f"{kind.name}: says: {client} says {', '.join(known)}")


def _either() -> RpcError:
    return invalid_params('error: either "client" and "says", or "message" and perhaps "code", is needed')
