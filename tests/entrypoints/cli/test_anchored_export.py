"""An auditor with an export, a node and the anchor's wallet: whoever rewrote history is found out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import pytest

from bascule.entrypoints.cli.app import run
from tests.support.anchors import Notary
from tests.support.money_out import OpenAs, treasury


@dataclass
class Audit:
    """The auditor's desk."""

    notary: Notary
    capsys: pytest.CaptureFixture[str]
    file: Path

    async def say(self, *words: str, code: int = 0) -> dict[str, Any]:
        assert await asyncio.to_thread(run, ["audit", *words, "--json"]) == code
        shown: dict[str, Any] = json.loads(
            next(line for line in self.capsys.readouterr().out.splitlines() if line[0] == "{")
        )
        return shown

    async def export(self) -> None:
        await self.say("export", str(self.file))

    async def offline(self, code: int = 0) -> str:
        return str((await self.say("verify", str(self.file), code=code))["wrong"])

    async def on_chain(self, code: int = 0, wallet: str | None = None) -> dict[str, Any]:
        asked = ("--rpc", self.notary.stage.node.url, "--wallet", wallet or self.notary.address)
        return await self.say("verify", str(self.file), *asked, code=code)

    async def tamper(self, *statements: LiteralString) -> None:
        """A superuser does this with all triggers off."""
        async with self.notary.stage.owner.transaction() as conn:
            await conn.execute("SET LOCAL session_replication_role = 'replica'")
            for statement in statements:
                assert (await conn.execute(statement)).rowcount >= 1, statement


@pytest.fixture
async def audit(
    db_as: OpenAs,
    database_url: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Audit]:
    """Two heads were anchored, a change after each."""
    monkeypatch.setenv("BASCULE_DATABASE_URL_WORKER", database_url("worker"))
    async with treasury(db_as, tmp_path) as stage:
        notary = await Notary(stage, await db_as("worker")).open()
        for action in ("one", "two"):
            await notary.happens(action)
            await notary.ask()
            await notary.send()
        await notary.happens("three")
        yield Audit(notary, capsys, tmp_path / "export.jsonl")


async def test_history_rewritten_and_sealed_anew_is_named_by_what_was_anchored(audit: Audit) -> None:
    await audit.export()
    assert await audit.offline() == ""
    [(last,)] = await audit.notary.stage.rows("SELECT max(seal) FROM anchors")
    assert (await audit.on_chain())["anchored"] == last
    [(first,), (second,)] = await audit.notary.stage.rows(
        "SELECT '0x' || encode(tx_hash, 'hex') FROM attempts ORDER BY nonce"
    )

    await audit.tamper("UPDATE audit_log SET actor = 'nobody' WHERE action = 'two'", "DELETE FROM seals")
    await audit.export()
    assert first in await audit.offline(code=1), "seals of one go have other hashes from the first on"

    await audit.tamper(
        "UPDATE anchors SET head = s.hash, seal = s.number FROM seals AS s WHERE s.number = 1 AND nonce = 0",
        "DELETE FROM anchors WHERE nonce = 1",
    )
    await audit.export()
    assert await audit.offline() == "", "they agree with one another again"
    told = await audit.on_chain(code=1)
    assert (told["anchored"], told["wrong"].startswith(f"{first} anchored head ")) == (0, True)

    await audit.tamper("DELETE FROM attempts WHERE nonce = 1")
    lines = audit.file.read_text().splitlines(keepends=True)
    audit.file.write_text("".join(line for line in lines if first not in line and second not in line))
    told = await audit.on_chain(code=1)
    assert told["wrong"].startswith("the wallet sent 2 transactions, the export knows 0")


async def test_one_row_rewritten_between_two_anchors_is_placed_between_them(audit: Audit) -> None:
    """The seals before it are made again as they were."""
    await audit.export()
    lines = [json.loads(line) for line in audit.file.read_text().splitlines()]
    sent = [line for line in lines if "anchor" in line]
    sent[1]["head"] = "00" * 32
    rest = [line for line in lines if "anchor" not in line]
    audit.file.write_text("".join(json.dumps(line) + "\n" for line in [*sent, *rest]))

    wrong = await audit.offline(code=1)

    assert wrong == (
        f"seal {sent[1]['seal']} is not what {sent[1]['anchor']} anchored:"
        f" history was rewritten after seal {sent[0]['seal']}"
    )


async def test_anchors_left_out_before_the_last_are_missed(audit: Audit) -> None:
    """Whoever rewrote history has its new end anchored, and says nothing of what was anchored before."""
    await audit.tamper("UPDATE audit_log SET actor = 'nobody' WHERE action = 'one'", "DELETE FROM seals")
    for action in ("four", "five", "six"):
        await audit.notary.seal()
        await audit.notary.happens(action)
    await audit.notary.ask()
    await audit.notary.send()
    await audit.tamper("DELETE FROM attempts WHERE nonce < 2")
    await audit.export()
    assert await audit.offline() == ""

    told = await audit.on_chain(code=1)

    assert told["wrong"] == (
        "what the wallet sent with nonce 0 is not in the export: anchors were taken out, or an older backup"
        " was put back"
    )


async def test_other_wallet_or_half_a_question_is_refused(audit: Audit) -> None:
    await audit.export()

    told = await audit.on_chain(code=1, wallet=audit.notary.stage.node.accounts[0].address)
    assert told["wrong"].endswith(f"is said to be of {audit.notary.address}")
    assert await asyncio.to_thread(run, ["audit", "verify", str(audit.file), "--rpc", "http://x"]) == 2
    assert "go together" in audit.capsys.readouterr().err

    audit.file.write_text(audit.file.read_text().replace('"nonce": 0', '"nonce": "0"'))
    assert await asyncio.to_thread(run, ["audit", "verify", str(audit.file)]) == 2
    assert "cannot be checked" in audit.capsys.readouterr().err
