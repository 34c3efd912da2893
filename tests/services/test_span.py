"""How many blocks a question about a range is for."""

from bascule.services.reading import Span


def test_a_range_grows_while_its_blocks_hold_little_and_shrinks_where_they_hold_much() -> None:
    span = Span(blocks=32, logs=5_000, most=512, ceiling=512)
    seen = []
    for _ in range(6):
        seen.append(span.blocks)
        span.answered(span.blocks, 20 * span.blocks)
    assert seen == [32, 64, 128, 250, 250, 250], "5,000 logs each"
    span.answered(span.blocks, 500 * span.blocks)
    assert span.blocks == 10
    for _ in range(9):
        span.answered(span.blocks, 0)
    assert span.blocks == 512, "what holds nothing costs its headers alone"


def test_a_nodes_limit_is_found_and_run_into_seldom() -> None:
    span = Span(blocks=512, logs=5_000, most=512, ceiling=512)
    refused, asked = 0, []
    for _ in range(60):
        asked.append(span.blocks)
        if span.blocks > 100:
            refused += 1
            span.refused(span.blocks)
        else:
            span.answered(span.blocks, span.blocks)
    assert refused <= 12
    assert sum(n for n in asked if n <= 100) > 45 * 70, "and what is asked is not far below it"


def test_a_range_is_never_for_less_than_one_block() -> None:
    span = Span(blocks=1, logs=10, most=4, ceiling=4)
    span.refused(1)
    assert span.blocks == 1
    span.answered(1, 1_000_000)
    assert span.blocks == 1
