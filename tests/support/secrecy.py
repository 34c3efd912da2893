"""What is to be kept secret stands in no log of any process, and in no line of audit or of requests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

from bascule.domain.refund import claim_token

LETTERS_TOLD = len("sk_test_") + 12  # of an API key, more than its part that is no secret
LETTERS_MIN = 16  # a secret; what is shorter may stand anywhere by chance
LOGS = {"postgres", "chain", "api", "watcher", "worker", "submitter", "signer"}
WORDY = {"api", "watcher", "worker"}  # always have something to say; an empty log would prove nothing
KINDS = {"secrets.json", "key", "approver", "webhook", "client", "claim"}
# Lines that the database keeps of what was done and asked.
TOLD = "SELECT l::text FROM audit_log AS l UNION ALL SELECT r::text FROM requests AS r"


def require_untold(folder: Path, ready: Mapping[str, Any], said: Mapping[str, str]) -> None:
    """Of an installation's folder and what its ready line says. Fails naming each secret and who told it.

    said: what programs beside it wrote where their user sees it.
    """
    texts = {path.stem: path.read_text(errors="replace").lower() for path in (folder / "logs").glob("*.log")}
    wrote = {name for name, text in texts.items() if text}
    with psycopg.connect(ready["database_url"]) as conn:
        secrets = dict(_of_the_folder(folder)) | dict(_of_keys(ready)) | dict(_of_rows(conn, folder))
        texts |= {name: text.lower() for name, text in said.items()}
        texts["the database"] = "\n".join(line for (line,) in conn.execute(TOLD)).lower()

    assert texts.keys() >= LOGS, f"there are logs of these: {sorted(texts)}"
    assert wrote >= WORDY, f"these wrote: {sorted(wrote)}"
    assert texts["the database"].count("api.create_") > 0
    assert {len(secret) >= LETTERS_MIN for secret in secrets.values()} == {True}
    assert {name.partition(" ")[0] for name in secrets} == KINDS
    told = [
        f"{name} by {who}"
        for name, secret in secrets.items()
        for who, text in texts.items()
        if secret in text
    ]
    assert told == []


def _of_the_folder(folder: Path) -> Iterator[tuple[str, str]]:
    """Passwords of logins and keystores, keys of wallets and people, pepper and seed."""
    for name, value in json.loads((folder / "secrets.json").read_text()).items():
        values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        for number, secret in enumerate(values):
            yield f"secrets.json {name} {number}", secret.removeprefix("0x").lower()


def _of_keys(ready: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    treasury = ready["treasury"]
    for number, key in enumerate((ready["secret_key"], treasury["secret_key"])):
        yield f"key {number}", key[LETTERS_TOLD:].lower()
    for number, person in enumerate(treasury["approvers"]):
        yield f"approver {number}", person["private_key"].removeprefix("0x").lower()


def _of_rows(conn: psycopg.Connection[Any], folder: Path) -> Iterator[tuple[str, str]]:
    pepper = json.loads((folder / "secrets.json").read_text())["api_pepper"].encode()
    for id, secret in conn.execute("SELECT id, secret FROM webhook_endpoints"):
        yield f"webhook {id}", secret.removeprefix("whsec_").lower()
    for id, secret in conn.execute("SELECT id, client_secret FROM payment_intents"):
        yield f"client {id}", secret.partition("_secret_")[2].lower()
    for id, kept in conn.execute("SELECT id, claim_hash FROM refunds WHERE claim_hash IS NOT NULL"):
        token = claim_token(pepper, id)
        assert sha256(token.encode()).digest() == bytes(kept), "this is what the link has"
        yield f"claim {id}", token
