"""Every commit and send has a failpoint on each side, or stands in no_failpoints.toml with its reason."""

import ast
import tomllib
from functools import cache
from pathlib import Path

from bascule.entrypoints.dev.tree import PROCESSES
from bascule.entrypoints.docs_failpoints import TARGET, render
from bascule.services.failpoints import BOUNDARIES, FAILPOINTS, process_of
from tests.support.source import ROOT, SRC, functions, python_files
from tests.tidy.test_transactions import opens_transaction

EXEMPT = tomllib.loads((Path(__file__).parent / "no_failpoints.toml").read_text(encoding="utf-8"))
WRITES = {"write_private", "create_keystore", "keep_key", "write_text", "write_bytes"}
TALKS = {"session", "_session", "sender", "_sender", "http", "_http"}


def name_of(node: ast.AST) -> str:
    """The last name of `a.b.c`, or of `c`."""
    return getattr(node, "attr", None) or getattr(node, "id", None) or ""


def is_send(call: ast.Call) -> bool:
    """Bytes that leave: to a node, a receiver, the signer, or a file."""
    function = call.func
    if any(isinstance(arg, ast.Constant) and arg.value == "eth_sendRawTransaction" for arg in call.args):
        return True
    if name_of(function) == "offer" and name_of(getattr(function, "value", function)) == "broadcast":
        return True
    if name_of(function) in WRITES:
        return True
    if not isinstance(function, ast.Attribute):
        return False
    receiver = name_of(function.value)
    return (
        (function.attr in {"post", "request"} and receiver in TALKS)
        or (function.attr == "sign" and receiver in {"signer", "_signer"})
        or (function.attr == "write" and receiver in {"os", "file"})
    )


@cache
def own_nodes(function: ast.AST) -> tuple[ast.AST, ...]:
    """What is in a function and not in one defined inside it; three rules ask it of five thousand."""
    found: list[ast.AST] = []
    todo = [function]
    while todo:
        found.append(node := todo.pop())
        inside = [
            child
            for child in ast.iter_child_nodes(node)
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        todo.extend(reversed(inside))
    return tuple(found[1:])


def sites(function: ast.AST) -> list[tuple[int, int, int]]:
    """(line, where `before` must be hit from, where `after` may be hit from) of each commit and send."""
    found = []
    for node in own_nodes(function):
        if isinstance(node, ast.AsyncWith | ast.With) and opens_transaction(node):
            found.append((node.lineno, node.body[0].lineno, (node.end_lineno or 0) + 1))
        if isinstance(node, ast.Call) and is_send(node):
            found.append((node.lineno, 0, (node.end_lineno or 0) + 1))
    return found


def hits(function: ast.AST) -> list[tuple[int, str]]:
    return [
        (node.lineno, str(node.args[0].value))
        for node in own_nodes(function)
        if isinstance(node, ast.Call)
        and name_of(node.func) == "hit"
        and isinstance(node.args[0], ast.Constant)
    ]


def is_fenced(function: ast.AST, opens: int, ends: int) -> bool:
    """Whether both sides of one boundary are hit, the one before the end and the other behind it."""
    lines = {name: line for line, name in hits(function)}
    return any(
        opens <= lines.get(before, -1) < ends <= lines.get(after, -1)
        for before, after in (boundary.names for boundary in BOUNDARIES)
    )


@cache
def unfenced() -> set[str]:
    found = set()
    for path in python_files():
        for function in functions(path):
            if any(not is_fenced(function, opens, ends) for _, opens, ends in sites(function)):
                found.add(f"{path.relative_to(SRC)}::{function.name}")
    return found


def test_every_failpoint_stands_in_a_process_that_can_be_killed_there() -> None:
    assert {process_of(name) for name in FAILPOINTS} <= {*PROCESSES, "chain", "set-up"}


def test_every_commit_and_send_is_fenced_or_exempt_with_a_reason() -> None:
    assert unfenced() - set(EXEMPT) == set()


def test_nothing_is_exempt_that_needs_it_no_more() -> None:
    assert set(EXEMPT) - unfenced() == set()
    assert all(reason.strip() for reason in EXEMPT.values())


def test_no_failpoint_is_listed_that_nobody_hits() -> None:
    hit = {name for path in python_files() for function in functions(path) for _, name in hits(function)}

    assert hit == set(FAILPOINTS)


def test_the_failpoints_page_is_what_the_list_renders() -> None:
    assert (ROOT / TARGET).read_text(encoding="utf-8") == render(), "run `make docs`"


def test_the_rule_finds_a_commit_and_a_send_without_a_fence() -> None:
    code = (
        "async def f(self):\n"
        " async with self.db.transaction() as conn:\n"
        "  self.points.hit('watcher.before_commit')\n"
        " {after}\n"
        " await self.rpc.call('eth_sendRawTransaction', raw)\n"
    )
    for after, fenced in (
        ("self.points.hit('watcher.after_commit')", [True, False]),
        ("self.points.hit('watcher.after_reorg')", [False, False]),
    ):
        [function] = ast.parse(code.format(after=after)).body
        assert [is_fenced(function, opens, ends) for _, opens, ends in sites(function)] == fenced
