"""A keystore opens with its password alone, and says in one line why it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account

from bascule.domain.chain import checksum
from bascule.signing.keystore import KeystoreUnusable, LocalKey, create_keystore, open_keystore

ROUNDS = 2  # a real file takes a second on purpose; tests need not
SECRET = b"\x07" * 32
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0  # of secp256k1


async def test_key_comes_back_with_its_password(tmp_path: Path) -> None:
    path = tmp_path / "lane.json"

    wallet = create_keystore(path, "pass phrase", secret=SECRET, rounds=ROUNDS)
    key = await open_keystore(path, "pass phrase")

    assert key.address == wallet
    assert checksum(wallet) == Account.from_key(SECRET).address
    assert path.stat().st_mode & 0o777 == 0o600
    assert "07" * 32 not in path.read_text() + repr(key)


async def test_key_is_opened_once_and_signs_on_though_its_file_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "lane.json"
    create_keystore(path, "pass phrase", secret=SECRET, rounds=ROUNDS)
    key = await open_keystore(path, "pass phrase")
    path.unlink()

    assert {await key.sign(b"\x01" * 32) for _ in range(2)} == {await LocalKey(SECRET).sign(b"\x01" * 32)}


async def test_other_libraries_open_the_file_too(tmp_path: Path) -> None:
    path = tmp_path / "lane.json"
    create_keystore(path, "pass", secret=SECRET, rounds=ROUNDS)

    assert bytes(Account.decrypt(json.loads(path.read_text()), "pass")) == SECRET


async def test_fresh_key_differs_each_time(tmp_path: Path) -> None:
    made = {create_keystore(tmp_path / f"{n}.json", "p", rounds=ROUNDS) for n in range(3)}

    assert len(made) == 3


KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from bascule.signing.keystore import create_keystore
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
create_keystore(Path(sys.argv[1]), "p", rounds=2)
"""


def test_keystore_whose_writer_was_killed_is_not_there_and_can_be_made_again(tmp_path: Path) -> None:
    path = tmp_path / "lane.json"

    done = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(path)], check=False)

    assert done.returncode == -9
    assert not path.exists(), "half a keystore would be taken for one for ever"
    create_keystore(path, "p", rounds=ROUNDS)
    assert [each.name for each in tmp_path.iterdir()] == ["lane.json"]


async def test_existing_keystore_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "lane.json"
    wallet = create_keystore(path, "p", rounds=ROUNDS)

    with pytest.raises(KeystoreUnusable, match="cannot be created"):
        create_keystore(path, "p", rounds=ROUNDS)

    assert (await open_keystore(path, "p")).address == wallet


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "check the path"),
        ("not json", "not a JSON keystore"),
        ("[]", "not a keystore"),
        ("{}", "not a keystore"),
        ('{"version": 9}', "not a keystore"),
    ],
)
async def test_unusable_file_is_one_clear_line(tmp_path: Path, content: str | None, why: str) -> None:
    path = tmp_path / "lane.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(KeystoreUnusable, match=why) as unusable:
        await open_keystore(path, "p")

    assert str(path) in str(unusable.value)
    assert "\n" not in str(unusable.value)


async def test_wrong_password_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "lane.json"
    create_keystore(path, "right", secret=SECRET, rounds=ROUNDS)

    with pytest.raises(KeystoreUnusable, match="wrong password") as unusable:
        await open_keystore(path, "wrong")

    assert "\n" not in str(unusable.value)


async def test_signatures_are_deterministic_and_low() -> None:
    key = LocalKey(SECRET)

    first, second = await key.sign(b"\x01" * 32), await key.sign(b"\x01" * 32)

    assert first == second
    assert int.from_bytes(first[32:64], "big") <= HALF_ORDER
    assert first[64] in (0, 1)
