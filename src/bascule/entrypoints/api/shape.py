"""What every answer is made of: scalars, the list envelope and the problem."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

T = TypeVar("T")

Decimal6 = Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]{6}$")]
SignedDecimal6 = Annotated[str, StringConstraints(pattern=r"^-?[0-9]+\.[0-9]{6}$")]
Atomic = Annotated[str, StringConstraints(pattern=r"^[0-9]+$")]
SignedAtomic = Annotated[str, StringConstraints(pattern=r"^-?[0-9]+$")]
Seconds = Annotated[int, Field(description="Unix seconds.")]
Caip2 = Annotated[str, StringConstraints(pattern=r"^eip155:[0-9]+$")]
AddressOut = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]
HashOut = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{64}$")]


class Shape(BaseModel):
    """An answer has exactly the fields named here; later versions may add some."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ProblemError(Shape):
    """Stripe's error object."""

    type: str
    code: str
    message: str
    param: str | None
    doc_url: str
    request_id: str
    next_step: str | None


class Problem(Shape):
    """An error: RFC 9457, with Stripe's error object in it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    error: ProblemError


class ListOf(Shape, Generic[T]):
    """A page of a list, newest first."""

    object: Literal["list"]
    url: str
    has_more: bool
    data: list[T]
