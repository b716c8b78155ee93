"""A mail server on loopback, in threads, that answers each step as a test says; and its own test.

Steps are `connect`, the verbs of SMTP, `body` (before the mail is read) and `end` (after it).
"""

import base64
import smtplib
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import BinaryIO

CUT, HANG, TRICKLE, KEEP_AND_CUT = "cut", "hang", "trickle", "keep and cut"
"""What a script may say instead of an answer: nothing any more, in four ways."""

Script = Mapping[str, Sequence[str | None]]
"""Answers by step, one a time, None and the end of the list standing for the usual one."""

FEATURES = ("SIZE 1000000", "8BITMIME", "SMTPUTF8")


class _OverError(OSError):
    """This connection is to be closed."""


class MailServer(socketserver.ThreadingTCPServer):
    """Takes what no script refuses."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        features: Sequence[str] = FEATURES,
        tls: ssl.SSLContext | None = None,
        is_implicit: bool = False,
        login: tuple[str, str] | None = None,
        mechanisms: str = "PLAIN LOGIN",
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.script = {step: list(answers) for step, answers in (script or {}).items()}
        self.features = features
        self.tls = tls
        self.is_implicit = is_implicit
        self.login = login
        self.mechanisms = mechanisms
        self.lines: list[str] = []
        """What clients said, their mails aside."""
        self.mails: list[bytes] = []
        self.connections = 0
        self.is_closing = threading.Event()
        self.open: set[socket.socket] = set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def verbs(self) -> list[str]:
        """Return the commands that came, without what followed."""
        return [line.split()[0].upper() for line in self.lines]

    def hang_up(self) -> None:
        """Cut every connection that is open."""
        for sock in list(self.open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class _Conversation(socketserver.BaseRequestHandler):
    server: MailServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def handle(self) -> None:
        self.server.connections += 1
        self.sock: socket.socket = self.request
        self.server.open.add(self.sock)
        self.is_secure = False
        with suppress(OSError):
            self._converse()
        self.server.open.discard(self.sock)
        self.sock.close()

    def _converse(self) -> None:
        if self.server.is_implicit:
            self._secure()
        self._answer("connect", "220 stand-in ready")
        while line := self._line():
            self.server.lines.append(line)
            verb, _, rest = line.partition(" ")
            getattr(self, f"_{verb.lower()}", self._plain)(verb.upper(), rest)

    def _plain(self, verb: str, _rest: str) -> None:
        self._answer(verb, "221 bye" if verb == "QUIT" else "250 fine")
        if verb == "QUIT":
            raise _OverError

    def _ehlo(self, verb: str, _rest: str) -> None:
        features = list(self.server.features)
        if self.server.tls and not self.is_secure:
            features.append("STARTTLS")
        if self.server.login:
            features.append(f"AUTH {self.server.mechanisms}")
        names = ["stand-in", *features]
        self._answer(verb, "".join(f"250-{name}\r\n" for name in names[:-1]) + f"250 {names[-1]}")

    def _starttls(self, verb: str, _rest: str) -> None:
        if self._answer(verb, "220 go").startswith("220"):
            self._secure()

    def _auth(self, verb: str, rest: str) -> None:
        mechanism, _, first = rest.partition(" ")
        if mechanism == "PLAIN":
            user, password = base64.b64decode(first).decode().split("\0")[1:]
        else:
            user, password = self._asked("User"), self._asked("Password")
        is_known = (user, password) == self.server.login
        self._answer(verb, "235 welcome" if is_known else f"535 no, {user} and {password} no")

    def _data(self, verb: str, _rest: str) -> None:
        if not self._answer(verb, "354 go").startswith("354"):
            return
        self._answer("body", "")
        lines = [self._file().readline()]
        while lines[-1] != b".\r\n":
            if not lines[-1]:
                raise _OverError
            lines.append(self._file().readline())
        self.content = b"".join(line.removeprefix(b".") for line in lines[:-1])
        self._answer("end", "250 kept")

    def _asked(self, what: str) -> str:
        self._say(f"334 {base64.b64encode(what.encode()).decode()}")
        return base64.b64decode(self._line()).decode()

    def _answer(self, step: str, usual: str) -> str:
        answers = self.server.script.get(step)
        told = answers.pop(0) if answers else None
        if step == "end" and (told is None or told == KEEP_AND_CUT or told.startswith("2")):
            self.server.mails.append(self.content)
        if told in (CUT, KEEP_AND_CUT):
            raise _OverError
        while told in (HANG, TRICKLE) and not self.server.is_closing.wait(0.02):
            if told == TRICKLE:
                self._say("250-still")
        said = usual if told in (None, HANG, TRICKLE, KEEP_AND_CUT) else told
        self._say(said)
        if said.startswith("421"):
            raise _OverError
        return said

    def _say(self, text: str) -> None:
        if text:
            self.sock.sendall(f"{text}\r\n".encode())

    def _line(self) -> str:
        return self._file().readline().decode(errors="replace").rstrip("\r\n")

    def _file(self) -> BinaryIO:
        if not hasattr(self, "_reader"):
            self._reader = self.sock.makefile("rb")
        return self._reader

    def _secure(self) -> None:
        assert self.server.tls is not None
        if hasattr(self, "_reader"):
            self._reader.close()
            del self._reader
        self.server.open.discard(self.sock)
        self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
        self.server.open.add(self.sock)
        self.is_secure = True

    def finish(self) -> None:
        if hasattr(self, "_reader"):
            self._reader.close()


@contextmanager
def running(server: MailServer) -> Iterator[MailServer]:
    """Serve until the end of the block."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.is_closing.set()
        server.shutdown()
        server.hang_up()
        server.server_close()
        thread.join(10)


def test_the_stand_in_says_what_it_is_told_and_keeps_the_rest() -> None:
    with (
        running(MailServer({"RCPT": ["550 no", None]})) as server,
        smtplib.SMTP("127.0.0.1", server.port, timeout=5) as client,
    ):
        for kept in (0, 1):
            with suppress(smtplib.SMTPRecipientsRefused):
                client.sendmail("a@x.example", ["b@x.example"], b"one\r\n..two\r\n")
            assert len(server.mails) == kept
    assert server.mails == [b"one\r\n..two\r\n"]
    assert server.verbs() == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "QUIT"]
