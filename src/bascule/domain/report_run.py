"""A report run: a report that somebody asked for and a worker makes."""

from enum import StrEnum

from bascule.domain.machine import Machine

ATTEMPTS_MAX = 3


class ReportRunState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class ReportRunEvent(StrEnum):
    BEGIN = "begin"
    FINISH = "finish"
    FAIL = "fail"


S, E = ReportRunState, ReportRunEvent

REPORT_RUN = Machine(
    "report_run",
    ReportRunState,
    ReportRunEvent,
    initial=(S.PENDING,),
    table={
        (S.PENDING, E.BEGIN): S.RUNNING,
        (S.RUNNING, E.BEGIN): S.RUNNING,
        (S.RUNNING, E.FINISH): S.SUCCEEDED,
        (S.RUNNING, E.FAIL): S.FAILED,
    },
    sentences={
        S.PENDING: "A worker will make it.",
        S.RUNNING: "A worker makes it; if that one dies, the next begins anew.",
        S.SUCCEEDED: "Its files are there.",
        S.FAILED: "It could not be made; its failure says why, and it may be asked for again.",
    },
)
