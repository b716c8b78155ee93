"""A mail server that takes everything: it writes down each Message-ID and keeps nothing else.

python -m benchmarks.mail_sink PORT FILE
"""

import asyncio
import sys
from pathlib import Path
from typing import TextIO

from aiosmtpd.smtp import SMTP, Envelope, Session

MARK = b"message-id:"


class Sink:
    """Writes a line for each message before it says that it has it."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Take a message."""
        self._out.write(message_id(envelope.original_content or b"") + "\n")
        self._out.flush()
        return "250 OK: counted"


def message_id(content: bytes) -> str:
    """Return the Message-ID of a message; empty when it has none."""
    head = content.partition(b"\r\n\r\n")[0]
    lines = (line for line in head.split(b"\r\n") if line.lower().startswith(MARK))
    return next(lines, MARK)[len(MARK) :].strip().decode()


def counted(ids: list[str]) -> tuple[int, int]:
    """Return how many mails there were, and how many of them were doubles."""
    return len(ids), len(ids) - len(set(ids))


async def serve(port: int, path: Path) -> None:
    """Serve until somebody ends us."""
    with path.open("w", encoding="utf-8") as out:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(Sink(out), hostname="sink.example", loop=loop), "127.0.0.1", port
        )
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
