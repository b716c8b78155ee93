"""A webserver that answers the two questions that the doctor asks Dagster."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HEALTHY = {"SCHEDULER": True, "SENSOR": True, "QUEUED_RUN_COORDINATOR": True}


def daemons(**health: bool) -> dict[str, Any]:
    """Return what Dagster says of its daemons; one that is not required is never healthy."""
    statuses = [
        {"daemonType": name, "required": True, "healthy": is_healthy}
        for name, is_healthy in {**HEALTHY, **health}.items()
    ]
    statuses.append({"daemonType": "BACKFILL", "required": False, "healthy": False})
    return {"instance": {"daemonHealth": {"allDaemonStatuses": statuses}}}


@dataclass
class StandIn:
    """What it answers; a test may change it."""

    url: str = ""
    status: int = 200
    answers: dict[str, Any] = field(
        default_factory=lambda: {"version": {"version": "1.13.27"}, "daemonHealth": daemons()}
    )
    raw: str | None = None

    def body(self, query: str) -> str:
        """Return the answer to a query."""
        if self.raw is not None:
            return self.raw
        return json.dumps({"data": next(v for k, v in self.answers.items() if k in query)})


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """Serve on a free loopback port."""
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["query"]
            found = stand_in.body(query).encode()
            self.send_response(stand_in.status if self.path == "/graphql" else 404)
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
