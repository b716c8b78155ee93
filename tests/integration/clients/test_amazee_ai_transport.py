"""When a request is repeated, how long it may take, and whose token it carries."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from polydock_pipelines.clients.amazee_ai.client import AmazeeAiClient
from polydock_pipelines.clients.amazee_ai.errors import (
    AmazeeAiAuthError,
    AmazeeAiRefusedError,
    AmazeeAiUnavailableError,
)
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports.amazee_ai import NewAiKey, NewAiTeam, NewAiUser
from tests.integration.clients.recorded import Player, html
from tests.integration.clients.test_amazee_ai_requests import (
    DELETED,
    HEALTHY,
    REGION,
    TEAM,
    client_of,
    key,
    me,
    ok,
    user,
)

Act = Callable[[AmazeeAiClient], object]

NEW_KEY = NewAiKey(1, "k", owner_id=7)
NEW_TOKEN = {"id": 4, "name": "n", "token": "t", "user_id": 7}

READS: list[tuple[str, Act]] = [
    ("ping", lambda c: c.ping()),
    ("region", lambda c: c.region(1)),
    ("by_email", lambda c: c.users.by_email("t@x.io")),
    ("tokens", lambda c: c.users.tokens(7)),
    ("owned_by", lambda c: c.keys.owned_by(7)),
    ("of_team", lambda c: c.keys.of_team(3)),
    ("by_name", lambda c: c.teams.by_name("gpt-1")),
    ("members", lambda c: c.teams.members(3)),
]
SMALL_WRITES: list[tuple[str, Act, httpx.Response]] = [
    ("users.create", lambda c: c.users.create(NewAiUser("t@x.io", Secret("p"))), ok(user(7, "t"))),
    ("users.delete", lambda c: c.users.delete(7), DELETED),
    ("create_token", lambda c: c.users.create_token(7, "n"), ok(NEW_TOKEN)),
    ("cap", lambda c: c.keys.cap(1, 9, 2.0), ok({})),
    ("teams.delete", lambda c: c.teams.delete(3), DELETED),
]
SLOW_WRITES: list[tuple[str, Act, httpx.Response]] = [
    ("keys.create", lambda c: c.keys.create(NEW_KEY), ok(key())),
    ("keys.delete", lambda c: c.keys.delete(9), DELETED),
    ("teams.create", lambda c: c.teams.create(NewAiTeam("gpt-1", "t@x.io", 1)), ok(TEAM)),
]
each_read = pytest.mark.parametrize("act", [pytest.param(act, id=name) for name, act in READS])
each_write = pytest.mark.parametrize(
    "act", [pytest.param(act, id=name) for name, act, _ in SMALL_WRITES + SLOW_WRITES]
)
AWAY = [
    pytest.param(httpx.ConnectError("refused"), id="connect"),
    pytest.param(httpx.ReadTimeout("slow"), id="time-out"),
    pytest.param(httpx.RemoteProtocolError("cut"), id="cut"),
    pytest.param(httpx.Response(500, text="Internal Server Error"), id="500"),
    pytest.param(html(502), id="502"),
    pytest.param(html(429), id="429"),
]


@each_read
@pytest.mark.parametrize("answer", AWAY)
def test_a_read_is_tried_three_times_while_amazee_ai_is_away(act: Act, answer: object) -> None:
    assert isinstance(answer, httpx.Response | Exception)
    player = Player(answer)
    with pytest.raises(AmazeeAiUnavailableError):
        act(client_of(player))
    assert len(player.requests) == 3


@each_write
@pytest.mark.parametrize("answer", AWAY)
def test_a_write_is_sent_exactly_once(act: Act, answer: object) -> None:
    assert isinstance(answer, httpx.Response | Exception)
    player = Player(answer)
    with pytest.raises(AmazeeAiUnavailableError, match="may have been carried out"):
        act(client_of(player))
    assert len(player.requests) == 1


def test_a_read_that_succeeds_the_second_time_is_a_success() -> None:
    player = Player(httpx.ReadError("reset"), ok([key()]))
    assert len(client_of(player).keys.owned_by(7)) == 1


def test_the_number_of_tries_is_a_setting() -> None:
    player = Player(html(503))
    with pytest.raises(AmazeeAiUnavailableError):
        client_of(player, attempts=1).keys.owned_by(7)
    assert len(player.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 402, 422])
def test_what_was_refused_is_not_asked_again(status: int) -> None:
    player = Player(httpx.Response(status, json={"detail": "no"}))
    with pytest.raises((AmazeeAiAuthError, AmazeeAiRefusedError)):
        client_of(player).keys.owned_by(7)
    assert len(player.requests) == 1


def test_an_answer_that_nobody_understands_is_not_asked_for_again() -> None:
    player = Player(html(200))
    with pytest.raises(AmazeeAiUnavailableError):
        client_of(player).keys.owned_by(7)
    assert len(player.requests) == 1


class RotatingToken:
    """A token that is another one each time, as from a file that is rewritten."""

    def __init__(self) -> None:
        self.reads = 0

    def __call__(self) -> Secret:
        self.reads += 1
        return Secret(f"token-{self.reads}\n")


def test_a_token_that_changed_between_two_requests_is_used() -> None:
    player, client_token = Player(ok([])), RotatingToken()
    client = client_of(player, client_token)
    client.keys.owned_by(7)
    client.keys.owned_by(7)
    assert player.tokens == ["Bearer token-1", "Bearer token-2"]


def test_a_read_that_is_tried_again_takes_the_token_anew() -> None:
    player = Player(html(503), ok([]))
    client_of(player, RotatingToken()).keys.owned_by(7)
    assert player.tokens == ["Bearer token-1", "Bearer token-2"]


def test_a_token_that_cannot_be_had_is_the_error_of_whoever_keeps_it() -> None:
    def no_token() -> Secret:
        raise AmazeeAiAuthError("AMAZEE_AI_TOKEN_FILE cannot be read.")

    player = Player(ok([]))
    with pytest.raises(AmazeeAiAuthError, match="cannot be read"):
        client_of(player, no_token).keys.owned_by(7)
    assert player.requests == []


def timeout_of(act: Act, answer: httpx.Response) -> object:
    player = Player(answer)
    act(client_of(player, connect_timeout_s=2, timeout_s=7, create_timeout_s=9))
    return player.requests[0].extensions["timeout"]


@pytest.mark.parametrize(
    ("act", "answer"), [pytest.param(act, answer, id=name) for name, act, answer in SMALL_WRITES]
)
def test_a_small_write_has_the_usual_time_out(act: Act, answer: httpx.Response) -> None:
    assert timeout_of(act, answer) == {"connect": 2, "read": 7, "write": 7, "pool": 7}


@pytest.mark.parametrize(
    ("act", "answer"), [pytest.param(act, answer, id=name) for name, act, answer in SLOW_WRITES]
)
def test_keys_and_teams_are_given_more_time(act: Act, answer: httpx.Response) -> None:
    assert timeout_of(act, answer) == {"connect": 2, "read": 9, "write": 9, "pool": 9}


def test_the_time_outs_of_a_client_that_is_told_none_are_those_of_the_contract() -> None:
    player = Player(ok(key()), ok([]))
    client = AmazeeAiClient(
        httpx.Client(transport=httpx.MockTransport(player)), "https://ai.test", lambda: Secret("t")
    )
    client.keys.create(NEW_KEY)
    client.keys.owned_by(7)
    times = [request.extensions["timeout"] for request in player.requests]
    assert [(time["connect"], time["read"]) for time in times] == [(5, 90), (5, 30)]


def test_an_answer_that_trickles_is_given_up_after_the_total_time() -> None:
    def trickle() -> Iterator[bytes]:
        for _ in range(100):
            time.sleep(0.02)
            yield b" "

    def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=trickle())

    started = time.monotonic()
    with pytest.raises(AmazeeAiUnavailableError, match="in time"):
        client_of(handler, timeout_s=0.1, attempts=1).keys.owned_by(7)
    assert time.monotonic() - started < 1


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, httpx.Client() as http:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        client = AmazeeAiClient(http, url, lambda: Secret("t"), create_timeout_s=0.2)
        with pytest.raises(AmazeeAiUnavailableError, match=r"ReadTimeout, at most 0\.2 s"):
            client.keys.delete(9)


def test_a_server_that_is_not_there_is_an_error_of_the_endpoint() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with httpx.Client() as http:
        url = f"http://127.0.0.1:{port}"
        client = AmazeeAiClient(http, url, lambda: Secret("t"), attempts=1)
        with pytest.raises(AmazeeAiUnavailableError, match=r"cannot be reached.*ConnectError"):
            client.keys.owned_by(7)


@contextmanager
def answering_each_connection_once() -> Iterator[str]:
    """Promise to keep each connection, and drop it after one answer: as the backend may."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def test_a_connection_that_was_dropped_after_an_answer_does_no_harm() -> None:
    with answering_each_connection_once() as url, httpx.Client() as http:
        client = AmazeeAiClient(http, url, lambda: Secret("t"), retry_wait_s=0.001)
        assert [client.keys.owned_by(7) for _ in range(5)] == [[]] * 5


def test_a_redirect_is_not_followed_even_by_a_client_that_would() -> None:
    player = Player(httpx.Response(307, headers={"Location": "https://elsewhere.test/"}))
    http = httpx.Client(transport=httpx.MockTransport(player), follow_redirects=True)
    client = AmazeeAiClient(http, "https://ai.test", lambda: Secret("t"))
    with pytest.raises(AmazeeAiUnavailableError, match="HTTP 307"):
        client.keys.delete(9)
    assert len(player.requests) == 1


def test_threads_that_want_the_same_region_ask_once() -> None:
    player = Player(ok(REGION))
    client = client_of(lambda request: (time.sleep(0.01), player(request))[1])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(client.region, [1] * 16))
    assert {region.id for region in found} == {1}
    assert len(player.requests) == 1


def test_threads_that_check_at_once_ask_once() -> None:
    player = Player(HEALTHY, me())
    client = client_of(player)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.check(), range(16)))
    assert len(player.requests) == 2


def test_closing_the_client_closes_its_connections() -> None:
    http = httpx.Client(transport=httpx.MockTransport(Player(ok([]))))
    AmazeeAiClient(http, "https://ai.test", lambda: Secret("t")).close()
    assert http.is_closed
