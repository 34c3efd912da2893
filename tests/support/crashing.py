"""A process that dies where a failpoint stands, without killing the process of the test."""

from collections.abc import Mapping

from bascule.services.failpoints import Failpoints


class Crash(BaseException):
    """The process dies here; nothing may catch it."""


class Crashing(Failpoints):
    """Raises Crash at the n-th hit of a failpoint, instead of killing the process of the test."""

    def __init__(self, name: str, nth: int = 1) -> None:
        super().__init__({name: nth})

    def hit(self, name: str) -> None:
        if self._left.get(name):
            self._left[name] -= 1
            if not self._left[name]:
                raise Crash(name)


class Armed(Failpoints):
    """Raises Crash where a process would be killed; `fired` says where that was, in order."""

    def __init__(self, armed: Mapping[str, int]) -> None:
        super().__init__(armed)
        self.fired: list[str] = []

    def die(self, name: str) -> None:
        self.fired.append(name)
        raise Crash(name)
