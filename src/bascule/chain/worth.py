"""What a chain's headers prove of their own blocks; of a chain that nobody listed it is learned."""

from dataclasses import dataclass

from bascule.domain.chain import Unproven


@dataclass
class Worth:
    """bloom, root: they can be held against their block; shown: a block's logs bore its bloom out, so that an
    empty one may be believed; kept: what was learned stands where every process reads it.
    """

    bloom: bool = True
    root: bool = True
    shown: bool = False
    kept: bool = False

    @property
    def unproven(self) -> Unproven | None:
        """What is known to be proven by nothing; None where all of it still counts."""
        if self.root:
            return None
        return "receipts" if self.bloom else "blocks"

    def less(self, unproven: Unproven) -> None:
        """This was learned, here or by somebody else."""
        self.root, self.bloom = False, self.bloom and unproven == "receipts"

    def again(self) -> None:
        """What was learned is to be learned anew: an operator said so."""
        self.root = self.bloom = True
        self.shown = self.kept = False
