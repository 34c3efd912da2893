"""Requests in a file, one after the other, that may use what the ones before were answered.

`${name:path.to.0.field}` stands for a value of the answer `name`, `${.env:NAME}` for one of the environment,
`${.now:3600}` for Unix seconds from now, `${.fresh:address}` and `${.fresh:id}` for what nobody used before.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bascule.entrypoints.failures import USAGE, CommandFailed

if TYPE_CHECKING:
    from bascule.client import Client

_REFERENCE = re.compile(r"\$\{([^:{}]+):([^{}]+)\}")
_STEP = {"name", "method", "path", "params", "as", "until", "within", "approve", "form"}
POLL_S = 0.25
PATIENCE_S = 30.0
Step = Mapping[str, Any]


@dataclass
class Script:
    """Plays steps. clients: by who asks, `merchant` first; approvers: keys (hex) that sign approvals."""

    clients: Mapping[str, Client]
    environ: Mapping[str, str]
    approvers: Sequence[str] = ()
    answers: dict[str, Any] = field(default_factory=dict)

    def play(self, steps: Sequence[Step]) -> Iterator[tuple[str, Any]]:
        """Each step's name and answer. Raises: CommandFailed naming the step, ApiError, ConnectionLost."""
        for number, step in enumerate(steps, 1):
            name = str(step.get("name", f"step {number}"))
            _check(name, step)
            answer = self._one(name, step)
            self.answers[name] = answer
            yield name, answer

    def _one(self, name: str, step: Step) -> Any:
        who = str(step.get("as", "merchant"))
        if who not in self.clients:
            raise CommandFailed(
                f"{name}: there is no key for {who!r}", f"one of {', '.join(self.clients)}", code=USAGE
            )
        client = self.clients[who]
        if "approve" in step:
            return self._approve(client, str(self._put(step["approve"])))
        if "form" in step:
            return _form(name, str(self._put(step["form"])), self._put(step.get("params", {})))
        method, path = str(step.get("method", "get")).upper(), str(self._put(step["path"]))
        params = self._put(step.get("params", {}))
        if "until" not in step:
            return client.request(method, path, params)
        wanted = self._put(step["until"])
        within = float(step.get("within", PATIENCE_S))
        return _until(name, lambda: client.request(method, path, params), wanted, within)

    def _approve(self, client: Client, path: str) -> Any:
        from bascule.entrypoints.cli.people import sign_typed_data

        found = client.request("GET", path)
        for key in self.approvers:
            if found["next_action"] is None:
                break
            address, signature = sign_typed_data(key, found["next_action"]["typed_data"])
            found = client.request("POST", f"{path}/approve", {"approver": address, "signature": signature})
        return found

    def _put(self, value: Any) -> Any:
        """The value with every reference replaced; one that is the whole text keeps its type."""
        if isinstance(value, Mapping):
            return {key: self._put(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self._put(part) for part in value]
        if not isinstance(value, str):
            return value
        if whole := _REFERENCE.fullmatch(value):
            return self._found(whole[1], whole[2])
        return _REFERENCE.sub(lambda match: str(self._found(match[1], match[2])), value)

    def _found(self, name: str, path: str) -> Any:
        try:
            if name == ".env":
                return self.environ[path]
            if name == ".now":
                return int(time.time()) + int(path)
            if name == ".fresh":
                return _FRESH[path]()
            value: Any = self.answers[name]
            for part in path.split("."):
                value = value[int(part)] if isinstance(value, list) else value[part]
        except (LookupError, TypeError, ValueError):
            known = ", ".join([".env", ".now", ".fresh", *self.answers])
            raise CommandFailed(
                f"${{{name}:{path}}} stands for nothing", f"known so far: {known}", code=USAGE
            ) from None
        return value


def _address() -> str:
    from bascule.domain.chain import Address, checksum

    return checksum(Address(secrets.token_bytes(20)))


_FRESH: Mapping[str, Callable[[], str]] = {"address": _address, "id": lambda: secrets.token_hex(12)}


def _check(name: str, step: Step) -> None:
    unknown = sorted(set(step) - _STEP)
    acts = [word for word in ("path", "approve", "form") if word in step]
    if unknown or len(acts) != 1:
        wrong = f"does not know {unknown[0]!r}" if unknown else "needs one of path, approve and form"
        raise CommandFailed(f"{name}: a step {wrong}", f"a step has {', '.join(sorted(_STEP))}", code=USAGE)


def _until(name: str, look: Callable[[], Any], wanted: Mapping[str, Any], within: float) -> Any:
    deadline = time.monotonic() + within
    while True:
        found = look()
        if all(_met(found.get(key), value) for key, value in wanted.items()):
            return found
        if time.monotonic() > deadline:
            seen = {key: found.get(key) for key in wanted}
            raise CommandFailed(
                f"{name}: waited {within:g} s for {wanted}, seen {seen}", "look at the object"
            )
        time.sleep(POLL_S)


def _met(seen: Any, wanted: Any) -> bool:
    """Whether a field is as it must become; `*` stands for anything that is not null."""
    return seen is not None if wanted == "*" else bool(seen == wanted)


def _form(name: str, url: str, fields: Mapping[str, Any]) -> Any:
    import httpx

    answer = httpx.post(url, data=dict(fields), follow_redirects=True)
    if answer.status_code != 200:
        raise CommandFailed(f"{name}: {url} answers {answer.status_code}", "open it in a browser")
    return {"status": answer.status_code}
