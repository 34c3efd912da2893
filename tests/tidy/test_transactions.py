"""Nothing speaks to a node, a peer or the signer while a database transaction is open.

The pool refuses it at run time as well (`Database.refuse_open_transaction`); this finds it before it runs.
"""

import ast

import pytest

from tests.support.source import SRC, module_name, python_files, tree

PEERS = {
    "rpc",
    "_rpc",
    "rpcs",
    "_rpcs",
    "http",
    "_http",
    "sender",
    "_sender",
    "signer",
    "_signer",
    "session",
    "_session",
    "node",
    "_node",
    "nodes",
    "_nodes",
}


def opens_transaction(node: ast.AsyncWith | ast.With) -> bool:
    return any(
        isinstance(item.context_expr, ast.Call)
        and isinstance(item.context_expr.func, ast.Attribute)
        and item.context_expr.func.attr == "transaction"
        for item in node.items
    )


def speaks_to_a_peer(call: ast.Call) -> bool:
    names = [n.attr for n in ast.walk(call.func) if isinstance(n, ast.Attribute)]
    names += [n.id for n in ast.walk(call.func) if isinstance(n, ast.Name)]
    return bool(PEERS & set(names))


def awaited_peers(node: ast.AST) -> list[int]:
    """Lines of `await peer.ask()`, `await ask(peer)` and `async with peer.post()`."""
    calls = [n.value for n in ast.walk(node) if isinstance(n, ast.Await)]
    calls += [item.context_expr for n in ast.walk(node) if isinstance(n, ast.AsyncWith) for item in n.items]
    return [
        call.lineno
        for call in calls
        if isinstance(call, ast.Call) and (speaks_to_a_peer(call) or passes_a_peer(call))
    ]


def passes_a_peer(call: ast.Call) -> bool:
    """`await heads.latest(self._rpc)`: the peer is an argument."""
    return any(
        isinstance(part, ast.Attribute | ast.Name)
        and (getattr(part, "attr", None) or getattr(part, "id", None)) in PEERS
        for arg in call.args
        for part in (arg, getattr(arg, "value", None))
    )


def test_no_peer_is_asked_inside_an_open_transaction() -> None:
    transactions = [
        (module_name(path), node)
        for path in python_files(SRC / "services")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.AsyncWith | ast.With) and opens_transaction(node)
    ]
    assert transactions

    found = [
        (module, line) for module, node in transactions for each in node.body for line in awaited_peers(each)
    ]
    assert found == [], "these lines speak to a peer inside a transaction"


@pytest.mark.parametrize(
    "line",
    [
        "await self._rpc.call('eth_chainId')",
        "await heads.latest(self._rpc)",
        "await self._rpcs[1].call('eth_chainId')",
        "await heads.latest(self._rpcs[1])",
        "async with self._session.post('/') as answer: pass",
    ],
)
def test_the_rule_finds_a_call_inside_a_transaction(line: str) -> None:
    code = f"async def f(self):\n async with self.db.transaction():\n  {line}\n"
    block = next(n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.AsyncWith))

    assert opens_transaction(block)
    assert awaited_peers(block)[:1] == [3]
