"""Readers of single settings: text from the environment or values from TOML in, checked values out.

Each raises ValueError with words that follow the setting's name ("… is not a TCP port").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bascule import presets
from bascule.chain.families import least_depth
from bascule.domain.errors import Rejected
from bascule.domain.finality import FinalityPolicy
from bascule.settings.contracts import ChainContracts, chain_contracts
from bascule.settings.tokens import CURRENCY, TokenSettings, tokens

# sun_path of unix(7) holds 108 bytes with its final zero; some room for the name of a lock beside it.
SOCKET_PATH_LIMIT = 100
# A chain's whole day of quarter-second blocks is shorter; what is beyond was not meant.
DEEPEST = 1_000_000


class BadConfiguration(Rejected):
    """A setting cannot be used. The message names it, `next_step` shows a right one."""

    def __init__(self, name: str, problem: str, example: str) -> None:
        super().__init__(
            "bad_configuration", f"{name} {problem}", param=name, next_step=f"example: {example}"
        )


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """One node. tier: lower ones are asked first; of one tier, the one named first."""

    url: str
    tier: int = 1


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """One network's nodes. rpc: at least one; poll_interval_ms: between looks at the head.

    quorum: how many nodes must say the same before it is final; finality: what makes a block final, None: as
    the network's row says; contracts: the roles of our contracts there, when we are the ones who deploy them;
    tokens: what counts as payment; native: the currency of its coin; livemode: whether its money is real.
    max_transaction_cost: the most of that coin one transaction of ours may cost. tokens, native and livemode
    are what `bascule chains publish` writes down.
    """

    id: int
    name: str
    rpc: tuple[NodeSettings, ...]
    poll_interval_ms: int = 500
    quorum: int = 1
    finality: FinalityPolicy | None = None
    contracts: ChainContracts | None = None
    tokens: tuple[TokenSettings, ...] = ()
    native: str = "eth"
    livemode: bool = False
    max_transaction_cost: Decimal = Decimal(5)


def text(given: Any) -> str:
    """Any text that is not blank."""
    if not isinstance(given, str) or not given.strip():
        raise ValueError("is empty or not text")
    return given


def boolean(given: Any) -> bool:
    """true or false, also as text."""
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given.lower() in {"true", "false", "1", "0", "yes", "no"}:
        return given.lower() in {"true", "1", "yes"}
    raise ValueError(f"is {given!r}, neither true nor false")


def between(low: int, high: int) -> Callable[[Any], int]:
    """A whole number from low to high."""

    def read(given: Any) -> int:
        shown = str(given)
        if isinstance(given, bool) or not re.fullmatch(r"\d{1,12}", shown) or not low <= int(shown) <= high:
            raise ValueError(f"is {given!r}, not a whole number from {low} to {high}")
        return int(shown)

    return read


port = between(1, 65535)


def amount(given: Any) -> Decimal:
    """A plain decimal number, 0 or more."""
    if isinstance(given, bool) or not re.fullmatch(r"\d{1,18}(\.\d{1,18})?", str(given)):
        raise ValueError(f"is {given!r}, not a plain number such as 10 or 0.50")
    return Decimal(str(given))


def prices(given: Any) -> tuple[tuple[int, Decimal], ...]:
    """`CHAIN_ID=PRICE` pairs separated by blanks or commas."""
    found = []
    for word in re.split(r"[\s,]+", text(given).strip()):
        chain, separator, price = word.partition("=")
        if not separator:
            raise ValueError("is not a list of CHAIN_ID=PRICE pairs")
        found.append((between(1, 2**53)(chain), amount(price)))
    if len({chain for chain, _ in found}) != len(found):
        raise ValueError("names a chain twice")
    return tuple(found)


def seconds(given: Any) -> float:
    """A positive duration, at most a day."""
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = 0.0
    if isinstance(given, bool) or not 0 < number <= 86_400:
        raise ValueError(f"is {given!r}, not a number of seconds above 0, at most 86400")
    return number


def one_of(*words: str) -> Callable[[Any], str]:
    """One word of a closed list."""

    def read(given: Any) -> str:
        if given not in words:
            raise ValueError(f"is {given!r}, not one of {', '.join(words)}")
        return str(given)

    return read


def http_url(given: Any) -> str:
    """An http or https URL with a host."""
    shown = text(given)
    parts = urlsplit(shown)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not an http:// or https:// URL")
    return shown.rstrip("/")


def database_url(given: Any) -> str:
    """A PostgreSQL URL. It may hold a password, so no message repeats it."""
    shown = text(given)
    if not shown.startswith(("postgresql://", "postgres://")):
        raise ValueError("is not a postgresql:// URL")
    return shown


def long_secret(given: Any) -> str:
    """A secret of 32 characters or more."""
    if not isinstance(given, str) or len(given) < 32:
        raise ValueError("has fewer than 32 characters")
    return given


def seed(given: Any) -> bytes:
    """32 bytes in hex."""
    if not isinstance(given, str) or not re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", given):
        raise ValueError("is not 32 bytes in hex (64 digits)")
    return bytes.fromhex(given.removeprefix("0x"))


def path(given: Any) -> Path:
    """A path in the file system."""
    return Path(text(given)).expanduser()


def socket_path(given: Path) -> Path:
    """A path short enough for a Unix socket, measured as it will be bound."""
    if (size := len(str(given).encode())) > SOCKET_PATH_LIMIT:
        raise ValueError(f"has {size} bytes; a socket path may have {SOCKET_PATH_LIMIT}")
    return given


def chains(given: Any) -> tuple[ChainSettings, ...]:
    """`[[chains]]` tables, or `ID=URL` pairs as text."""
    if isinstance(given, str):
        tables: list[Any] = [_pair(word) for word in re.split(r"[\s,]+", given.strip()) if word]
    elif isinstance(given, list):
        tables = given
    else:
        raise ValueError("is neither a list of tables nor ID=URL pairs")
    found = tuple(_chain(table) for table in tables)
    if len({chain.id for chain in found}) != len(found):
        raise ValueError("names a chain twice")
    return found


def failpoints(given: Any) -> tuple[tuple[str, int], ...]:
    """`name=hit` pairs separated by commas, in their order."""
    found = []
    for word in text(given).split(","):
        name, _, hit = word.strip().partition("=")
        found.append((name, between(1, 10**6)(hit or "1")))
    return tuple(found)


def resolved(given: Any, environ: Mapping[str, str]) -> Any:
    """`env:NAME` texts, at any depth, replaced by what the environment holds under NAME."""
    if isinstance(given, dict):
        return {key: resolved(item, environ) for key, item in given.items()}
    if isinstance(given, list):
        return [resolved(item, environ) for item in given]
    if isinstance(given, str) and given.startswith("env:"):
        if (held := environ.get(given[4:])) is None:
            raise ValueError(f"points to the variable {given[4:]}, which is not set")
        return held
    return given


def _pair(word: str) -> dict[str, Any]:
    chain_id, separator, url = word.partition("=")
    if not separator:
        raise ValueError("is not a list of ID=URL pairs")
    return {"id": chain_id, "rpc": [{"url": url}]}


def _chain(table: Any) -> ChainSettings:
    allowed = {
        "id", "name", "rpc", "quorum", "finality", "poll_interval_ms", "contracts", "tokens", "native",
        "livemode", "max_transaction_cost",
    }  # fmt: skip
    if not isinstance(table, dict) or not table.keys() <= allowed:
        odd = sorted(table.keys() - allowed) if isinstance(table, dict) else [table]
        raise ValueError(f"has an entry it does not know: {odd[0]!r}")
    chain_id = between(1, 2**53)(table.get("id"))
    nodes = tuple(_node(node) for node in table.get("rpc") or ())
    if not nodes:
        raise ValueError(f"names no node (rpc) of chain {chain_id}")
    if len({node.url for node in nodes}) != len(nodes):
        raise ValueError(f"names a node (rpc) of chain {chain_id} twice")
    if (quorum := between(1, 99)(table.get("quorum", len(nodes) // 2 + 1))) > len(nodes):
        raise ValueError(
            f"asks for a quorum of {quorum} on chain {chain_id}, which has {len(nodes)} (rpc);"
            " add nodes or lower it"
        )
    known = presets.chains().get(chain_id)
    poll_ms = min(500, known.block_time_ms // 2) if known else 500
    return ChainSettings(
        id=chain_id,
        name=text(table.get("name", known.name if known else f"chain-{chain_id}")),
        rpc=nodes,
        poll_interval_ms=between(10, 600_000)(table.get("poll_interval_ms", poll_ms)),
        quorum=quorum,
        finality=_finality(chain_id, table["finality"]) if "finality" in table else None,
        contracts=_of(chain_id, "contracts", lambda: chain_contracts(table["contracts"]))
        if "contracts" in table
        else None,
        tokens=_of(chain_id, "tokens", lambda: tokens(chain_id, table.get("tokens", []))),
        native=_native(chain_id, table.get("native", known.native if known else "eth")),
        max_transaction_cost=_of(
            chain_id, "max_transaction_cost", lambda: amount(table.get("max_transaction_cost", "5"))
        ),
        livemode=_of(chain_id, "livemode", lambda: boolean(table.get("livemode", known is not None))),
    )


def _finality(chain_id: int, given: Any) -> FinalityPolicy:
    if given in ("finalized", "safe"):
        return FinalityPolicy(given)
    depth = given.get("depth") if isinstance(given, dict) and given.keys() == {"depth"} else None
    if not isinstance(depth, int) or isinstance(depth, bool) or not 0 <= depth <= DEEPEST:
        raise ValueError(
            f"has {given!r} for the finality of chain {chain_id};"
            f' write "finalized", "safe" or {{ depth = N }} with N up to {DEEPEST}'
        )
    if depth < (least := least_depth(chain_id)):
        raise ValueError(
            f"has depth {depth} for the finality of chain {chain_id}, where blocks may still be taken back at"
            f' that depth; write "finalized", or a depth of {least} or more'
        )
    return FinalityPolicy("depth", depth)


def _of(chain_id: int, entry: str, read: Callable[[], Any]) -> Any:
    """What a reader of one entry of a chain finds; its refusal says whose entry it was."""
    try:
        return read()
    except ValueError as error:
        raise ValueError(f"({entry} of chain {chain_id}) {error}") from None


def _native(chain_id: int, given: Any) -> str:
    if not isinstance(given, str) or not CURRENCY.fullmatch(given):
        raise ValueError(
            f"has {given!r} for the native coin of chain {chain_id},"
            " not 2 to 12 lower-case letters and digits"
        )
    return given


def _node(given: Any) -> NodeSettings:
    table = given if isinstance(given, dict) else {"url": given}
    if odd := sorted(table.keys() - {"url", "tier"}):
        raise ValueError(f"has an entry of a node (rpc) it does not know: {odd[0]!r}")
    return NodeSettings(http_url(table.get("url")), between(1, 99)(table.get("tier", 1)))
