"""`bascule bench` measures for real and says where; what it cannot find it names."""

import json

import pytest

from bascule.entrypoints.cli.app import run
from benchmarks import lanes
from benchmarks.harness import Figure


def test_figure_tells_its_median_spread_and_share_of_the_bound() -> None:
    assert Figure("a block", "s", (0.3, 0.1, 0.2), bound=0.8, limit=0.05).told() == {
        "name": "a block",
        "unit": "s",
        "median": 0.2,
        "least": 0.1,
        "most": 0.3,
        "runs": 3,
        "bound": 0.8,
        "ratio": 0.25,
        "limit": 0.05,
        "times_limit": 4.0,
    }
    bare = Figure("a block", "s", (1.0,)).told()
    assert (bare["ratio"], bare["limit"], bare["times_limit"]) == (None, None, None)


def test_unknown_benchmark_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "nothing"]) == 1
    said = capsys.readouterr().err
    assert "there is no benchmark nothing" in said
    assert "known: api, chain" in said


@pytest.mark.slow
def test_small_chain_benchmark_runs_and_says_where_it_was_taken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["bench", "chain", "--scale", "0.01", "--runs", "1", "--json"]) == 0

    result = json.loads(capsys.readouterr().out)
    assert result["command"] == "bascule bench chain --runs 1 --scale 0.01 --json"
    assert result["machine"]["cpus"] >= 1
    assert {"python", "py-evm", "bascule"} <= set(result["versions"])
    bounds = {figure["name"]: figure["bound"] for figure in result["figures"]}
    assert bounds["block of 200 raw transfers mined"] == 0.7
    assert all(figure["median"] > 0 for figure in result["figures"])


@pytest.mark.slow
def test_small_matching_benchmark_leaves_sound_books(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "matching", "--scale", "0.002", "--runs", "1", "--json"]) == 0

    result = json.loads(capsys.readouterr().out)
    bounds = {figure["name"]: figure["bound"] for figure in result["figures"]}
    matched = "transfer matched: deposit, decision, application, totals"
    booked = "transfer from block to books: matched, told, final, told, booked"
    for watchers in ("one chain's watcher", "two chains' watchers side by side"):
        assert bounds[f"{matched}; {watchers}"] == 100
        assert bounds[f"{booked}; {watchers}"] == 500
    assert bounds["address set: the index it is looked up in"] == 300
    assert all(figure["median"] > 0 for figure in result["figures"])


@pytest.mark.slow
def test_small_ledger_benchmark_verifies_what_it_booked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "ledger", "--scale", "0.01", "--runs", "1", "--json"]) == 0

    result = json.loads(capsys.readouterr().out)
    bounds = {figure["name"]: figure["bound"] for figure in result["figures"]}
    assert bounds["booked, 1,000 in a commit, one connection"] == 100
    assert bounds["booked, one in a commit, 8 connections"] == 1_000
    assert bounds["balances 19 days after the newest closing"] == 10
    [report] = [name for name in bounds if name.endswith(" balance transactions as csv")]
    assert (bounds[report], bounds[f"{report}: memory"]) == (10, 200)
    assert all(figure["median"] > 0 for figure in result["figures"])


@pytest.mark.slow
def test_small_payout_benchmark_finds_every_payout_signed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "payouts", "--scale", "0.05", "--runs", "1", "--json"]) == 0

    figures = json.loads(capsys.readouterr().out)["figures"]
    bounds = {figure["name"]: figure["bound"] for figure in figures}
    assert bounds["payout, in batches of 100 with one approval of two signatures"] == 250
    assert bounds["idle: from the last approval's commit until the bytes are sent"] == 250
    assert all(figure["median"] > 0 for figure in figures if "processor" not in figure["name"])


def test_benchmark_of_many_lanes_fails_when_memory_grows() -> None:
    lanes.require_flat(*lanes.growth([100.0, 99.0, 104.0, 119.0]))

    with pytest.raises(RuntimeError, match=r"took 100\.0 MB in the first quarter and 121\.0 MB later"):
        lanes.require_flat(*lanes.growth([100.0, 99.0, 121.0, 104.0]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["watcher", "tip"])
def test_small_benchmarks_of_the_watcher_run_and_find_every_transfer(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", name, "--scale", "0.02", "--runs", "1", "--json"]) == 0

    figures = json.loads(capsys.readouterr().out)["figures"]
    assert figures
    assert all(figure["median"] > 0 for figure in figures)


def test_small_detection_benchmark_is_the_same_again_and_nothing_passes_the_receipts_root(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = []
    for _ in range(2):
        assert run(["bench", "detection", "--scale", "0.01", "--runs", "1", "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out)["figures"])

    assert told[0] == told[1]
    shares = {figure["name"]: figure["median"] for figure in told[0]}
    assert shares["all of these, by the receipts' root"] == 100
    assert min(shares.values()) < 50, "indexes and bloom alone miss what other logs cover"
