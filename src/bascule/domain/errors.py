"""The three reactions an error can ask for.

A class is a reaction, not a place: `Rejected` asks the caller, `Retryable` asks for patience,
`Halted` asks for a person. HTTP statuses belong to the API alone.
"""


class BasculeError(Exception):
    """Every error this project raises on purpose; `str(error)` is one line for people."""


class Rejected(BasculeError):
    """The request is wrong; only the caller can change that.

    code: stable word for programs; param: the input at fault; next_step: what to do about it.
    """

    def __init__(
        self, code: str, message: str, *, param: str | None = None, next_step: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.next_step = next_step


class NotFound(Rejected):
    """What the caller names does not exist, or not for this caller."""


class Conflict(Rejected):
    """The request is well formed, but the object's state does not allow it."""


class Forbidden(Rejected):
    """The caller may not do this, whatever the object's state."""


class Retryable(BasculeError):
    """The world is not ready; the same call may succeed later.

    done: how much else the same look did, where the rest of its work went well; None: nothing else was done.
    """

    done: int | None = None


class Halted(BasculeError):
    """Something that cannot be true is true; stop and wake a person."""
