"""What a process saw of the database's log outlives it, apart from the database."""

import os
from pathlib import Path

import pytest

from bascule.domain.errors import Halted, Retryable
from bascule.entrypoints.remembering import NAME, log_seen
from bascule.services import restore
from bascule.services.restore import LogSeen, RestoreUnchecked
from bascule.storage.database import Database


async def known(db: Database, seen: LogSeen) -> None:
    async with db.read() as conn:
        await restore.require_known(conn, seen)


async def test_next_process_knows_how_far_the_log_went_until_a_check_has_begun_a_later_epoch(
    db: Database, tmp_path: Path
) -> None:
    first = log_seen(tmp_path)
    await known(db, first)
    assert log_seen(tmp_path).flushed == first.flushed > 0
    await known(db, log_seen(tmp_path))

    (tmp_path / NAME).write_text(
        f'{{"server": "{first.server}", "flushed": {first.flushed + (1 << 40)}, "epoch": 0}}'
    )
    for seen in (log_seen(tmp_path, keeps=False), log_seen(tmp_path)):
        with pytest.raises(RestoreUnchecked, match="older files"):
            await known(db, seen)

    work = restore.Restore(db, bytes(32))
    epoch = await work.begin(0, 0)
    await work.finish(epoch)
    await known(db, log_seen(tmp_path))
    assert log_seen(tmp_path).epoch == epoch.epoch
    assert log_seen(tmp_path).flushed < first.flushed + (1 << 40)


async def test_a_file_that_is_not_ours_and_a_folder_that_cannot_be_written_say_so(
    db: Database, tmp_path: Path
) -> None:
    with pytest.raises(Retryable, match="cannot write how far"):
        await known(db, log_seen(tmp_path / "missing"))
    seen = log_seen(tmp_path)
    (tmp_path / NAME).mkdir()
    with pytest.raises(Retryable, match="cannot write how far"):
        await known(db, seen)
    assert os.listdir(tmp_path) == [NAME], "what could not be kept is not left behind"
    (tmp_path / NAME).rmdir()
    for content in ("", "{}", '{"server": "a", "flushed": "b", "epoch": 0}'):
        (tmp_path / NAME).write_text(content)
        with pytest.raises(Halted, match=f"{NAME}: cannot read .* remove the file where no backup"):
            log_seen(tmp_path)
