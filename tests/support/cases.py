"""Many cases of one story: against one running bridge, where a failure names its case, or as tests."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


def long_after(quick: int, cases: Iterable[Any]) -> list[Any]:
    """Cases of one rule for `parametrize`: the first so many are quick tests, the others are long ones."""
    return [case if n < quick else _long(case) for n, case in enumerate(cases)]


def _long(case: Any) -> Any:
    if not isinstance(case, type(pytest.param())):
        case = pytest.param(*(case if isinstance(case, tuple) else (case,)))
    return pytest.param(*case.values, id=case.id, marks=[*case.marks, pytest.mark.slow])


@contextmanager
def case(name: object) -> Iterator[None]:
    """What is raised inside also says in which case it happened."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the case: {name}")
        raise
