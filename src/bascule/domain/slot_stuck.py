"""Why a slot does not move by itself, and what a person can do about it."""

from collections.abc import Mapping
from enum import StrEnum


class Stuck(StrEnum):
    """A reason. Whatever it is, the same bytes are offered on, and the chain alone ends the slot."""

    FEE_CEILING = "fee_ceiling"
    SIGNER_REFUSES = "signer_refuses"
    WALLET_UNFUNDED = "wallet_unfunded"
    NODES_REFUSE = "nodes_refuse"
    NONCE_USED = "nonce_used"


REMEDIES: Mapping[Stuck, str] = {
    Stuck.FEE_CEILING: (
        "gas costs more than max_transaction_cost of this chain allows: wait until it is cheaper, or raise it"
    ),
    Stuck.SIGNER_REFUSES: "the signer's own limits refuse a higher fee: wait, or raise them",
    Stuck.WALLET_UNFUNDED: "the lane's wallet cannot pay for gas: send it native coin",
    Stuck.NODES_REFUSE: "every node refuses the bytes for good: look at their words",
    Stuck.NONCE_USED: (
        "another transaction of this wallet used the nonce: find out who has its key; with two nodes or more"
        " its payouts go on by themselves once that is final"
    ),
}
