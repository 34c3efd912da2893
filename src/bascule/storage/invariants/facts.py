"""The journal against the facts that it books."""

from typing import Final

from bascule.storage.invariants.check import Check

CHECKS: Final = (Check("G12", "the journal is what its facts say", "facts", ("facts", "digests")),)
