"""The QR code on the page holds what a wallet will read."""

import re

import segno

from bascule.entrypoints.web.checkout_view import qr

URI = "ethereum:0x0119f79F6161ccfF2a768A6F08F0E05c522bC5cC@31337/transfer?address=0x57512dcb021D5362ca7829D45725Aa3B4A28bF2F&uint256=25000000"  # noqa: E501


def dark_modules(svg: str) -> set[tuple[int, int]]:
    """The cells its strokes cover, read from the path: `M x y h n`, moves relative after the first."""
    path = re.search(r'<path [^>]*d="([^"]+)"', svg)
    assert path, svg
    cells, x, y = set(), 0.0, 0.0
    for command, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?:[ ,]?(-?[\d.]+))?", path[1]):
        if command == "M":
            x, y = float(first), float(second)
        elif command == "m":
            x, y = x + float(first), y + float(second)
        else:
            cells |= {(int(x) + n, int(y)) for n in range(int(first))}
            x += float(first)
    return cells


def test_qr_code_shows_every_dark_module_of_the_payment_uri() -> None:
    border = 2
    expected = {
        (column + border, row + border)
        for row, line in enumerate(segno.make(URI, error="m").matrix)
        for column, dark in enumerate(line)
        if dark
    }

    assert dark_modules(qr(URI)) == expected


def test_qr_code_brings_no_style_of_its_own() -> None:
    assert "style=" not in qr(URI)
