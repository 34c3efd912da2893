"""Makes the reports that were asked for. Files, state and event of a run commit together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bascule.domain.errors import Halted, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.report import Interval, Threshold, of_name
from bascule.domain.report_run import ATTEMPTS_MAX
from bascule.domain.webhook import EventType
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.report_files import MEDIA_TYPES, MadeFile
from bascule.services.report_making import Made, Wanted, make
from bascule.services.report_runs import ReportRuns
from bascule.services.seams import new_id
from bascule.storage import report_runs
from bascule.storage.database import Connection, Database
from bascule.storage.report_runs import PART, FileRow, RunRow

LEASE_S = 15.0
TELL_S = 1.0  # between words of how far it is


class Taken(Halted):
    """Another worker has the run now."""


@dataclass(frozen=True)
class Reporter:
    """Takes the run that waits longest; any number of reporters may run.

    accounts: the general ledger's (number, name) by code of ours; thresholds: of jurisdictions.
    """

    db: Database
    runs: ReportRuns
    accounts: Mapping[str, tuple[str, str]]
    failpoints: Failpoints = NO_FAILPOINTS
    thresholds: Sequence[Threshold] = ()
    name: str = field(default="reporter")

    async def run_once(self) -> int:
        """How many runs ended: 1, or 0 when none waits."""
        async with self.db.transaction() as conn:
            run = await report_runs.claim(conn, lease_s=LEASE_S)
            self.failpoints.hit("reporter.before_claim")
        self.failpoints.hit("reporter.after_claim")
        if run is None:
            return 0
        if run.attempt > ATTEMPTS_MAX:
            await self._fail(run, f"{ATTEMPTS_MAX} workers began it and none of them came to its end.")
            return 1
        with TemporaryDirectory(prefix="bascule-report-") as folder:
            try:
                made = await self._made(run, Path(folder))
            except Rejected as error:
                await self._fail(run, str(error))
            except Taken:
                return 1
            else:
                await self._finish(run, made, Path(folder))
        return 1

    async def _made(self, run: RunRow, folder: Path) -> Made:
        wanted = Wanted(
            of_name(run.type), run.format, run.account_id, run.livemode, Interval(run.since, run.until),
            self.accounts, self.thresholds,
        )  # fmt: skip
        done = 0

        def progress(per_cent: int) -> None:
            nonlocal done
            done = per_cent

        async def tell() -> None:
            while True:
                await asyncio.sleep(TELL_S)
                async with self.db.transaction() as conn:
                    if not await report_runs.renew(conn, run, progress=done, lease_s=LEASE_S):
                        raise Taken(f"another worker makes {run.id} now")

        telling = asyncio.create_task(tell())
        making = asyncio.create_task(make(self.db, wanted, folder, progress=progress))
        try:
            await asyncio.wait([telling, making], return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()  # raises
            return await making
        finally:
            for task in (telling, making):
                task.cancel()
            await asyncio.gather(telling, making, return_exceptions=True)

    async def _finish(self, run: RunRow, made: Made, folder: Path) -> None:
        at = self.runs.clock.now()
        async with self.db.transaction() as conn:
            rows = sum(each.rows for each in made.files)
            ended = await report_runs.finish(
                conn, run, reach=made.reach, closed=made.closed, rows=rows, at=at
            )
            if ended is None:
                return
            for each in made.files:
                await self._keep(conn, run, each, folder)
            await self.runs.tell(conn, ended, EventType.REPORT_RUN_SUCCEEDED)
            self.failpoints.hit("reporter.before_finish")
        self.failpoints.hit("reporter.after_finish")

    async def _keep(self, conn: Connection, run: RunRow, made: MadeFile, folder: Path) -> None:
        file = FileRow(
            id=new_id(Prefix.FILE, self.runs.clock, self.runs.entropy),
            account_id=run.account_id,
            livemode=run.livemode,
            run_id=run.id,
            path=made.path,
            media_type=MEDIA_TYPES[run.format],
            size=made.size,
            rows=made.rows,
            sha256=made.sha256,
            created_at=self.runs.clock.now(),
        )
        await report_runs.insert_file(conn, file)
        with (folder / made.path).open("rb") as opened:
            n = 0
            while piece := opened.read(PART):
                await report_runs.insert_part(conn, file.id, n, piece)
                n += 1

    async def _fail(self, run: RunRow, why: str) -> None:
        async with self.db.transaction() as conn:
            ended = await report_runs.fail(conn, run, failure=why, at=self.runs.clock.now())
            if ended is not None:
                await self.runs.tell(conn, ended, EventType.REPORT_RUN_FAILED)
            self.failpoints.hit("reporter.before_finish")
        self.failpoints.hit("reporter.after_finish")
