"""What nobody can be faster than: the same HTTP server and the same pool, one row inserted for each request.

No key, no parameters, no event: `python -m benchmarks._bare_server DATABASE_URL` says its port and serves.
"""

from __future__ import annotations

import sys

import orjson
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bascule.entrypoints.cli.output import line
from bascule.entrypoints.garbage import collect_rarely
from bascule.entrypoints.ports import listen
from bascule.entrypoints.schedule import stop_on_signals
from bascule.entrypoints.serving import serve
from bascule.storage.database import Database

TABLE = "CREATE TABLE bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, amount text NOT NULL)"
INSERT = "INSERT INTO bare (amount) VALUES (%s) RETURNING id"


async def main(url: str) -> None:
    """Serves until SIGTERM."""
    collect_rarely()
    async with Database(url) as db:

        async def insert(request: Request) -> Response:
            amount = orjson.loads(await request.body())["amount"]
            async with db.transaction() as conn:
                row = await (await conn.execute(INSERT, [amount])).fetchone()
            assert row is not None
            return Response(orjson.dumps({"id": row[0]}), media_type="application/json")

        app = Starlette(routes=[Route("/bare", insert, methods=["POST"])])
        with listen("127.0.0.1", 0) as sock:
            await serve(app, sock, ready=lambda facts: line(dict(facts)), stop=stop_on_signals())


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
