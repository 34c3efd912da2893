import sys

from bascule.domain.hashing import keccak


def test_keccak_is_ethereums_not_the_nist_one() -> None:
    # The empty digest of Ethereum's yellow paper, appendix on the world state.
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


def test_keccak_runs_on_the_c_backend() -> None:
    keccak(b"x")

    assert "_pysha3" in sys.modules["sha3"].keccak_256.__module__
