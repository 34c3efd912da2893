"""Report runs: asked for by the API, made by whichever worker lives, read as files."""

from __future__ import annotations

import base64
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import psycopg
import pytest

from bascule.domain.report_run import ATTEMPTS_MAX
from bascule.general_ledger import accounts
from bascule.services.outbox import Outbox
from bascule.services.report_retention import ReportRetention
from bascule.services.report_runs import ReportRuns
from bascule.services.reporter import Reporter
from bascule.storage import report_runs
from tests.entrypoints.api.conftest import client, shop, treasury
from tests.support.api import ENTROPY, Shop

__all__ = ["client", "shop", "treasury"]
RUNS = "/v1/reporting/report_runs"
INTERVAL = {"interval_start": 1_700_000_000, "interval_end": 2_000_000_000}


def reporter(shop: Shop) -> Reporter:
    return Reporter(shop.worker, ReportRuns(shop.clock, ENTROPY, Outbox(shop.clock, ENTROPY)), accounts())


async def ask(client: httpx.AsyncClient, type: str = "activity", **more: Any) -> dict[str, Any]:
    answer = await client.post(RUNS, json={"report_type": type, "parameters": INTERVAL, **more})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def events(shop: Shop) -> list[str]:
    async with shop.owner.read() as conn:
        rows = await conn.execute("SELECT type FROM outbox ORDER BY id")
        return [type for (type,) in await rows.fetchall()]


async def test_a_report_is_asked_for_made_and_read_with_its_digest(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        run = await ask(client, "journal", format="jsonl")
        assert (run["status"], run["progress"], run["files"]) == ("pending", 0, [])

        assert await reporter(shop).run_once() == 1
        assert await reporter(shop).run_once() == 0

        made = (await client.get(f"{RUNS}/{run['id']}")).json()
        [file] = made["files"]
        read = await client.get(file["url"])
        alone = (await client.get(f"/v1/files/{file['id']}")).json()

    assert (made["status"], made["progress"], made["rows"], made["closed"]) == ("succeeded", 100, 2, False)
    assert sha256(read.content).hexdigest() == file["sha256"]
    assert (
        read.headers["repr-digest"] == f"sha-256=:{base64.b64encode(sha256(read.content).digest()).decode()}:"
    )
    assert read.headers["content-disposition"] == 'attachment; filename="journal.jsonl"'
    assert (len(read.content), alone) == (file["size"], file)
    assert await events(shop) == ["reporting.report_run.succeeded"]


async def test_a_file_of_many_parts_is_read_whole(
    shop: Shop, treasury: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("bascule.services.reporter", "bascule.services.report_runs"):
        monkeypatch.setattr(f"{module}.PART", 100)
    async with shop.client(treasury) as client:
        run = await ask(client, "journal")
        await reporter(shop).run_once()
        [file] = (await client.get(f"{RUNS}/{run['id']}")).json()["files"]
        read = await client.get(file["url"])

    assert file["size"] > 300
    assert sha256(read.content).hexdigest() == file["sha256"]


async def test_who_lost_its_lease_stores_nothing(shop: Shop, client: httpx.AsyncClient) -> None:
    run = await ask(client)
    async with shop.worker.transaction() as conn:
        slow = await report_runs.claim(conn, lease_s=0)
    assert slow is not None

    assert await reporter(shop).run_once() == 1

    async with shop.worker.transaction() as conn:
        assert not await report_runs.renew(conn, slow, progress=50, lease_s=10)
        assert (
            await report_runs.finish(conn, slow, reach=0, closed=False, rows=0, at=shop.clock.now()) is None
        )
    made = (await client.get(f"{RUNS}/{run['id']}")).json()
    assert (made["status"], made["version"], len(made["files"])) == ("succeeded", 4, 1)
    assert await events(shop) == ["reporting.report_run.succeeded"]


async def test_a_report_at_which_every_worker_dies_is_failed_and_says_so(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    run = await ask(client)
    for _ in range(ATTEMPTS_MAX):
        async with shop.worker.transaction() as conn:
            assert await report_runs.claim(conn, lease_s=0) is not None

    assert await reporter(shop).run_once() == 1

    failed = (await client.get(f"{RUNS}/{run['id']}")).json()
    assert (failed["status"], failed["files"], failed["succeeded_at"]) == ("failed", [], None)
    assert "none of them came to its end" in failed["failure_message"]
    assert await events(shop) == ["reporting.report_run.failed"]


async def test_a_report_that_cannot_be_is_refused_and_nothing_is_stored(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    async def code(**changed: Any) -> tuple[int, str]:
        body = {"report_type": "activity", "parameters": INTERVAL, **changed}
        answer = await client.post(RUNS, json=body)
        return answer.status_code, answer.json()["error"]["code"]

    def interval(start: int, end: int) -> dict[str, int]:
        return {"interval_start": start, "interval_end": end}

    assert await code(parameters=interval(2_000, 1_000)) == (400, "interval_invalid")
    assert await code(parameters=interval(1_000, 1_000)) == (400, "interval_invalid")
    assert await code(parameters=interval(0, 2_000_000_000)) == (400, "interval_invalid")
    assert await code(report_type="wishes") == (400, "report_type_unknown")
    assert await code(report_type="journal") == (403, "operator_only")
    assert await code(format="xlsx") == (400, "parameter_invalid")
    assert (await client.get(RUNS)).json()["data"] == []


async def test_anothers_report_and_file_do_not_exist(
    shop: Shop, treasury: str, client: httpx.AsyncClient
) -> None:
    async with shop.client(treasury) as theirs:
        run = await ask(theirs)
        await reporter(shop).run_once()
        [file] = (await theirs.get(f"{RUNS}/{run['id']}")).json()["files"]

    for path in (f"{RUNS}/{run['id']}", f"/v1/files/{file['id']}", file["url"]):
        assert (await client.get(path)).status_code == 404
    assert [each["id"] for each in (await client.get("/v1/reporting/report_types")).json()["data"]] == [
        "balance", "activity", "payouts", "fees", "statement", "journal", "travel_rule", "thresholds",
    ]  # fmt: skip


async def test_files_end_after_their_time_and_what_they_were_stays_known(shop: Shop, treasury: str) -> None:
    """Nobody deletes one before that, and it ends once."""
    async with shop.client(treasury) as client:
        run = await ask(client, "journal", format="jsonl")
        assert await reporter(shop).run_once() == 1
        [file] = (await client.get(f"{RUNS}/{run['id']}")).json()["files"]
        keeper = ReportRetention(shop.worker, shop.clock, timedelta(days=400))
        shop.clock.advance(399 * 86_400)
        assert await keeper.run_once() == 0
        for statement in ("DELETE FROM file_parts", "DELETE FROM files", "UPDATE files SET size = 0"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                async with shop.owner.transaction() as conn:
                    await conn.execute(statement.encode())

        shop.clock.advance(2 * 86_400)
        assert [await keeper.run_once(), await keeper.run_once()] == [1, 0]

        gone = await client.get(f"/v1/files/{file['id']}/content")
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "file_deleted")
        known = (await client.get(f"/v1/files/{file['id']}")).json()
        assert known == file | {"deleted_at": int(shop.clock.now().timestamp())}
    async with shop.owner.read() as conn:
        left = await conn.execute("SELECT count(*) FROM file_parts")
        assert await left.fetchone() == (0,)
