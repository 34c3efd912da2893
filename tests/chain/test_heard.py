"""What nodes answered is at hand until it is proven, and no node fills the memory or the disk with it."""

from bascule.chain import evidence
from bascule.chain.evidence import HEARD_BYTES, KEPT_OF_A_NODE, Evidence, Exchange, Heard
from bascule.domain.chain import Hash
from bascule.domain.disagreement import KEPT_BYTES


def block(number: int) -> Hash:
    return Hash(number.to_bytes(32, "big"))


def test_a_short_answer_is_kept_whole_and_a_long_one_where_it_speaks_of_the_block() -> None:
    heard = Heard()
    long = b"a" * 2 * KEPT_BYTES + block(7).hex().encode() + b"b" * 2 * KEPT_BYTES
    heard.note("short", Exchange(b"asked", b"answered"), [block(1)])
    heard.note("long", Exchange(b"asked", long), [block(7), block(8)])

    assert heard.of(block(1)) == ("short", Exchange(b"asked", b"answered", size=8))
    told = heard.of(block(7))
    assert told is not None
    assert block(7).hex().encode() in told[1].answer
    assert (len(told[1].answer), told[1].size) == (KEPT_BYTES, len(long))
    assert heard.of(block(9)) is None


def test_what_is_proven_is_forgotten_and_beyond_the_bound_the_oldest() -> None:
    heard = Heard()
    heard.note("node", Exchange(b"", b"first"), [block(1), block(2)])
    heard.proven([block(1)])
    assert heard.of(block(1)) is None
    assert heard.of(block(2)) is not None

    for number in range(3, 7):
        heard.note("node", Exchange(b"", b"x" * (HEARD_BYTES // 3)), [block(number)])
    assert [heard.of(block(number)) is None for number in range(2, 7)] == [True, True, False, False, False]


def test_an_answer_that_is_asked_for_again_takes_the_place_of_the_first() -> None:
    heard = Heard()
    heard.note("first", Exchange(b"", b"1"), [block(1)])
    heard.note("second", Exchange(b"", b"2"), [block(1)])

    told = heard.of(block(1))
    assert told is not None
    assert told[0] == "second"


def test_of_one_node_so_many_disagreements_are_kept_and_the_rest_is_counted() -> None:
    kept = Evidence()
    for number in range(KEPT_OF_A_NODE + 10):
        kept.keep(("liar", Exchange()), None, f"block {number}", refuted=True)
        kept.drop(len(kept.pending))
    kept.keep(("another", Exchange()), None, "block 1", refuted=True)

    assert kept.lost == 10
    assert [each.node for each in kept.pending] == ["another"]
    assert evidence.PENDING < KEPT_OF_A_NODE
