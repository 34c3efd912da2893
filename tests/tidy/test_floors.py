"""The floors hold, transitively; a check that is not a failing test does not exist."""

import ast
import json
import subprocess
import sys
from pathlib import Path

from tests.support.source import ROOT, SRC, module_name, python_files, tree


def test_import_contracts_are_kept() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


IMPORT_ALL = """
import importlib, json, sys
opened = []
def hook(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        path = str(args[0])
        if ROOT in path and not path.endswith((".py", ".pyc", ".pth")) and "__pycache__" not in path:
            opened.append(path)
    elif event == "subprocess.Popen" and list(args[1][:2]) == ["file", "-b"]:
        pass  # py-evm loads pycryptodome, which asks what kind of binary the interpreter is
    elif event.startswith(("socket.connect", "socket.bind", "subprocess.Popen", "os.system")):
        opened.append(event)
sys.addaudithook(hook)
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(opened))
"""


def test_importing_any_module_reads_and_opens_nothing() -> None:
    """Every module is imported in a bare environment; reading a file of ours or touching a socket shows."""
    names = [
        module_name(p) for p in python_files() if p.name != "__main__.py" and "migrations" not in p.parts
    ]
    code = IMPORT_ALL.replace("ROOT", repr(str(SRC)))

    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(names)],
        env={"PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


ENVIRONMENT = {"environ", "getenv", "environb"}


def reads_environment(node: ast.AST) -> bool:
    """`os.environ` and `from os import environ`, and their like."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(name.name in ENVIRONMENT for name in node.names)
    return (
        isinstance(node, ast.Attribute)
        and node.attr in ENVIRONMENT
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    )


def test_environment_is_read_in_wiring_and_settings_alone() -> None:
    allowed = (
        "bascule.settings",
        "bascule.entrypoints.wiring",
        "bascule.entrypoints.cli",
        "bascule.entrypoints.dev",
    )
    others = [path for path in python_files() if not module_name(path).startswith(allowed)]
    reads = {path: [n.lineno for n in ast.walk(tree(path)) if reads_environment(n)] for path in others}

    found = {str(path): lines for path, lines in reads.items() if lines}
    assert found == {}, "these lines read the environment; take the value by constructor"


def test_no_module_has_a_name_that_says_nothing() -> None:
    banned = {"utils", "helpers", "common", "base", "models", "manager", "misc", "types"}

    assert [p for p in python_files() if p.stem in banned or p.parent.name in banned] == []
