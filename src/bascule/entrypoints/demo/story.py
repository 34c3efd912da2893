"""The story from its first webhook endpoint to the last comparison of the books with the chain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from bascule.chain.rpc import Rpc
from bascule.domain.errors import BasculeError
from bascule.entrypoints import wiring
from bascule.entrypoints.demo import billing, money_back, money_home, money_in, money_out, nodes
from bascule.entrypoints.demo.stage import POLL_S, Api, Stage, StepFailed, Timeline, check
from bascule.entrypoints.mailbox import Mailbox, receiving
from bascule.services.reconciler import Reconciler, describe

STORY_SECONDS = 180.0


async def tell(
    ready: Mapping[str, Any], config: Path, *, as_json: bool, began: float, ready_s: float
) -> bool:
    """Plays all acts; whether every step was checked. What failed is said."""
    timeline = Timeline(began, as_json=as_json)
    timeline.tell(f"Bascule is ready after {ready_s:.1f} s; the story begins.", **ready)
    mail = Mailbox()
    try:
        async with aiohttp.ClientSession() as session, receiving(mail) as address:
            stage = Stage(
                ready=ready,
                timeline=timeline,
                merchant=Api(session, ready["api_url"], ready["secret_key"]),
                treasury=Api(session, ready["api_url"], ready["treasury"]["secret_key"]),
                rpc=Rpc(ready["rpc_url"], session=session, guard=lambda: None),
                mail=mail,
            )
            async with asyncio.timeout(STORY_SECONDS):
                await _play(stage, address, config)
    except (BasculeError, TimeoutError, ExceptionGroup) as failed:
        for failure in _leaves(failed):
            what = str(failure) or f"the story did not end within {STORY_SECONDS:.0f} s"
            timeline.tell(f"✗ {what}", event="failed", error=what)
        return False
    took = time.monotonic() - began
    timeline.tell(
        f"\nAll {timeline.steps} steps were checked: {took:.1f} s in all, ready after {ready_s:.1f} s.",
        event="done", steps=timeline.steps, seconds=round(took, 2), ready_seconds=round(ready_s, 2),
        webhooks=len(mail.deliveries),
    )  # fmt: skip
    return True


async def _play(stage: Stage, address: str, config: Path) -> None:
    for name, api in (("merchant", stage.merchant), ("treasury", stage.treasury)):
        endpoint = await api.post("/v1/webhook_endpoints", url=f"{address}/{name}", enabled_events=["*"])
        stage.mail.secrets[name] = endpoint["secret"]
    stage.timeline.say("webhooks", f"merchant and treasury listen at {address}")
    if not await nodes.mines_by_itself(stage.rpc):
        raise StepFailed(
            "this anvil does not mine by whole seconds, and on demand nothing becomes final; "
            "start it as anvil --block-time 1 --slots-in-an-epoch 4"
        )
    async with asyncio.TaskGroup() as acts:
        acts.create_task(money_in.play(stage))
        acts.create_task(money_out.play(stage))
        acts.create_task(money_back.play(stage))
        acts.create_task(billing.play(stage))
        acts.create_task(money_home.play(stage))
    check(not stage.mail.refused, "no webhook had a wrong signature", stage.mail.refused)
    await _reconcile(stage, config)


async def _reconcile(stage: Stage, config: Path) -> None:
    """`bascule reconcile`, until everything final is booked: custody on chain is custody in the journal."""
    loaded = wiring.load({"BASCULE_CONFIG": str(config)})
    seams = wiring.Seams(loaded)
    async with (
        wiring.database(loaded, "worker") as db,
        wiring.nodes(loaded, db.refuse_open_transaction) as rpcs,
    ):
        reconciler = Reconciler(db, seams.clock, seams.entropy, seams.outbox, rpcs)
        deadline = time.monotonic() + 20
        while True:
            made = [describe(subject, found) for subject, found in await reconciler.reconcile()]
            check(bool(made), "a token was compared", made)
            check(all(each["residual"] == "0" for each in made), "residual 0", *made)
            if all(each["unbooked"] == "0" for each in made):
                break
            if time.monotonic() > deadline:
                raise StepFailed(f"final transfers stay unbooked: {made}")
            await asyncio.sleep(POLL_S)
    for each in made:
        stage.timeline.say(
            "reconciliation",
            f"block {each['block_number']}: chain {each['on_chain']}, journal {each['journal']}, residual 0",
            **{name: each[name] for name in ("on_chain", "journal", "residual")},
        )


def _leaves(failed: Exception) -> list[Exception]:
    """What failed, without the groups around it; our own mistakes are raised again."""
    if isinstance(failed, ExceptionGroup):
        return [leaf for each in failed.exceptions for leaf in _leaves(each)]
    if not isinstance(failed, BasculeError | TimeoutError):
        raise failed
    return [failed]
