"""`bascule chain` says at once what cannot be."""

import socket

import pytest

from bascule.entrypoints.cli.app import run


def test_taken_port_is_said_before_anything_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert run(["chain", "--port", str(port)]) == 1

    assert capsys.readouterr().err.splitlines() == [
        f"bascule: port {port} on 127.0.0.1 cannot be used: address already in use",
        "         stop what uses it, or name another port",
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--safe", "5", "--finalized", "4"], "not more than --finalized"),
        (["--fresh"], "only with --data-dir"),
        (["--block-time", "-1"], "--block-time"),
    ],
)
def test_options_that_contradict_are_refused(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["chain", "--port", "0", *words]) == 2
    assert says in capsys.readouterr().err
