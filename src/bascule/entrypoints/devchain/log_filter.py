"""Which logs a filter means: addresses, and topics by position."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from bascule.entrypoints.devchain import params
from bascule.entrypoints.devchain.errors import invalid_params
from bascule.entrypoints.devchain.records import Block, Log

MAX_TOPICS = 4
MEMBERS = frozenset({"fromBlock", "toBlock", "blockHash", "address", "topics"})


class LogFilter(NamedTuple):
    """`None` matches anything; as in geth, a log with fewer topics than the filter names does not match."""

    addresses: frozenset[bytes] | None
    topics: tuple[frozenset[bytes] | None, ...]

    def matching(self, blocks: Iterable[Block]) -> Iterator[Log]:
        """Yields the blocks' logs that match, in chain order."""
        wanted = [(position, choice) for position, choice in enumerate(self.topics) if choice is not None]
        least, addresses = len(self.topics), self.addresses
        for block in blocks:
            for tx in block.transactions:
                for log in tx.logs:
                    if addresses is not None and log.address not in addresses:
                        continue
                    if len(log.topics) < least:
                        continue
                    if all(log.topics[position] in choice for position, choice in wanted):
                        yield log


def members(criteria: object) -> Mapping[str, Any]:
    """Returns a filter object's members; refuses unknown ones."""
    return params.members(criteria, "filter", MEMBERS)


def log_filter(fields: Mapping[str, Any]) -> LogFilter:
    """Reads `address` and `topics`."""
    return LogFilter(_addresses(fields.get("address")), tuple(_topics(fields.get("topics"))))


def _addresses(value: object) -> frozenset[bytes] | None:
    if value is None or value == []:
        return None
    sources = value if isinstance(value, list) else [value]
    return frozenset(params.address(source) for source in sources)


def _topics(value: object) -> list[frozenset[bytes] | None]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_TOPICS:
        raise invalid_params(f"topics: a list of at most {MAX_TOPICS} is needed")
    return [_topic(choice) for choice in value]


def _topic(value: object) -> frozenset[bytes] | None:
    if value is None or value == []:
        return None
    choices = value if isinstance(value, list) else [value]
    if None in choices:
        return None
    return frozenset(params.data(choice, "topic", 32) for choice in choices)
