"""docs/api/errors.md says what the table of codes says, and the table knows every code that is raised."""

import ast
from fnmatch import fnmatchcase

from bascule.domain.errors import Conflict, Forbidden, NotFound, Rejected
from bascule.entrypoints import docs_errors
from bascule.entrypoints.api.codes import CODES
from bascule.entrypoints.api.remedies import REMEDIES
from tests.support.source import ROOT, SRC, python_files, tree

FAMILY = {cls.__name__ for cls in (Rejected, Conflict, Forbidden, NotFound)}


def test_errors_page_is_in_step_with_the_codes() -> None:
    assert (ROOT / docs_errors.TARGET).read_text(encoding="utf-8") == docs_errors.render(), "run `make docs`"


def test_every_code_the_api_raises_has_its_sentence() -> None:
    """Codes given as literals to an error of the family, in the floors a request passes through."""
    used = {
        call.args[0].value
        for path in python_files(SRC / "domain") + python_files(SRC / "entrypoints" / "api")
        for call in ast.walk(tree(path))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in FAMILY
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }

    assert used - set(CODES) == set()


def test_every_code_says_what_to_do_and_every_remedy_is_for_some_code() -> None:
    first = {
        code: next((pattern for pattern, _ in REMEDIES if fnmatchcase(code, pattern)), None) for code in CODES
    }

    assert [code for code, pattern in first.items() if pattern is None] == []
    assert {pattern for pattern, _ in REMEDIES} - set(first.values()) == set()
