"""Many cases of one story against one running bridge; a failure names its case."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def case(name: object) -> Iterator[None]:
    """What is raised inside also says in which case it happened."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the case: {name}")
        raise
