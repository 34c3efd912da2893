"""docs/testing/faults.md says what happens."""

import asyncio
import re
import sys
from contextlib import suppress

import aiohttp

from tests.support.chain import LocalNode
from tests.support.fault_proxy import fault_proxy
from tests.support.source import ROOT

PAGE = (ROOT / "docs" / "testing" / "faults.md").read_text(encoding="utf-8")
CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [{"fromBlock": "0x0"}]}


def block(language: str, number: int = 0) -> str:
    """The page's code in that language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number]


async def test_commands_for_the_local_chain_answer_as_the_page_says(node: LocalNode) -> None:
    script = block("bash")
    said = re.findall(r'#.*?("(?:result|hits|cleared)":[^;\s]+)', script)
    assert len(said) == 5

    environ = {"RPC_URL": node.url, "PATH": "/usr/bin:/bin"}
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", script, env=environ, stdout=asyncio.subprocess.PIPE
    )
    answers = re.findall(r'{"jsonrpc".*?(?={"jsonrpc"|$)', (await shell.communicate())[0].decode())

    assert [word in answer for word, answer in zip(said, answers, strict=True)] == [True] * 5


async def test_lines_for_a_test_make_the_node_lie(node: LocalNode) -> None:
    body = "".join(f"    {line}\n" for line in block("python").splitlines())
    names: dict[str, object] = {}
    exec(f"async def example(fault_proxy, node, your_program):\n{body}", names)

    async def your_program(url: str) -> None:
        for _ in range(5):
            with suppress(aiohttp.ClientError):
                await node.session.post(url, json=CALL)

    await names["example"](fault_proxy, node, your_program)


async def test_command_puts_a_proxy_before_a_node(node: LocalNode) -> None:
    words = block("bash", 1).split()
    assert words[:3] == ["python", "-m", "tests.support.fault_proxy"]
    words[words.index("--upstream") + 1], words[words.index("--port") + 1] = node.url, "0"
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words[1:], cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().split()[0]
        fault = {"kind": "null", "methods": ["eth_chainId"]}
        await node.session.post(url, json=CALL | {"method": "bascule_setFault", "params": [fault]})
        async with node.session.post(url, json=CALL | {"method": "eth_chainId", "params": []}) as response:
            assert (await response.json())["result"] is None
    finally:
        process.terminate()
        await process.wait()
