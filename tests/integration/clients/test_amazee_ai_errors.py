"""Each failure of the contract amazee-ai, the class it becomes, and that no secret gets out."""

import logging
import re
import socketserver
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from polydock_pipelines.clients.amazee_ai.client import AmazeeAiClient
from polydock_pipelines.clients.amazee_ai.errors import (
    AmazeeAiAlreadyExistsError,
    AmazeeAiAuthError,
    AmazeeAiError,
    AmazeeAiInUseError,
    AmazeeAiNotFoundError,
    AmazeeAiRefusedError,
    AmazeeAiUnavailableError,
)
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    AlreadyExistsError,
    EndpointError,
    InUseError,
    NotFoundError,
    PortError,
    RefusedError,
)
from polydock_pipelines.ports.amazee_ai import AMAZEE_AI, NewAiKey, NewAiTeam, NewAiUser
from tests.integration.clients.recorded import Player, html
from tests.integration.clients.test_amazee_ai_requests import client_of, key, ok, user

TOKEN = "canary-token-of-ours"
PASSWORD = "canary-Passw0rd"  # pragma: allowlist secret
THEIRS = "sk-canary-of-theirs"
"""A secret that only amazee.ai knows; answers hold it."""
SECRETS = (TOKEN, PASSWORD, THEIRS)


def answer(status: int, detail: Any) -> httpx.Response:
    return httpx.Response(status, json={"detail": detail})


def create_user(client: AmazeeAiClient) -> object:
    return client.users.create(NewAiUser("t@x.io", Secret(PASSWORD)))


def create_token(client: AmazeeAiClient) -> object:
    return client.users.create_token(7, "n")


def delete_user(client: AmazeeAiClient) -> object:
    return client.users.delete(7)


def create_key(client: AmazeeAiClient) -> object:
    return client.keys.create(NewAiKey(1, "trial-1-proj-creds", owner_id=7))


def delete_key(client: AmazeeAiClient) -> object:
    return client.keys.delete(9)


def list_keys(client: AmazeeAiClient) -> object:
    return client.keys.owned_by(7)


def cap_key(client: AmazeeAiClient) -> object:
    return client.keys.cap(1, 9, 2.0)


def create_team(client: AmazeeAiClient) -> object:
    return client.teams.create(NewAiTeam("gpt-1", "t@x.io", 1))


def ping(client: AmazeeAiClient) -> object:
    return client.ping()


@dataclass(frozen=True)
class Case:
    title: str
    act: Callable[[AmazeeAiClient], object]
    answer: httpx.Response
    error: type[AmazeeAiError]
    text: str
    """A regular expression for what an operator must be told."""


ALIAS = (
    f"Failed to create LiteLLM token: 400: Key with alias 't_at_x.io - trial-1 {THEIRS}' already "
    "exists. Unique key aliases across all keys are required."
)
LITELLM = f"Failed to create LiteLLM token: 503 from https://user:{THEIRS}@llm.test"
INVALID = [
    {
        "type": "value_error",
        "loc": ["body", "email"],
        "msg": f"not an address: {PASSWORD}",
        "input": PASSWORD,
        "ctx": {"reason": THEIRS},
    },
    {"type": "string_too_short", "loc": ["body", THEIRS, 0], "msg": "", "input": {"a": PASSWORD}},
]

CASES = [
    Case("401", list_keys, answer(401, f"{TOKEN}?"), AmazeeAiAuthError, "AMAZEE_AI_TOKEN_FILE"),
    Case("401 of a proxy", list_keys, html(401), AmazeeAiAuthError, "AMAZEE_AI_TOKEN"),
    Case(
        "403",
        list_keys,
        answer(403, f"Not authorized to perform this action {THEIRS}"),
        AmazeeAiAuthError,
        r"HTTP 403.*administrator \(is_admin\)",
    ),
    Case(
        "403 of a former team",
        ping,
        answer(403, "Team has been deleted"),
        AmazeeAiAuthError,
        "is in no team",
    ),
    Case(
        "an address that is known",
        create_user,
        answer(400, "Email already registered"),
        AmazeeAiAlreadyExistsError,
        "a user of that address exists already",
    ),
    Case(
        "a team's address that is known",
        create_team,
        answer(400, "Email already registered"),
        AmazeeAiAlreadyExistsError,
        "another team has that administrator's address",
    ),
    Case(
        "a team's name that is known",
        create_team,
        answer(400, "Team name already exists"),
        AmazeeAiAlreadyExistsError,
        "another team has that name",
    ),
    Case(
        "a region that takes no teams",
        create_team,
        answer(400, f"Region {THEIRS} is dedicated"),
        AmazeeAiRefusedError,
        "choose another in the catalogue",
    ),
    Case(
        "a user with keys",
        delete_user,
        answer(400, "Cannot delete user with associated AI keys"),
        AmazeeAiInUseError,
        "deletion of user 7 .*delete these first",
    ),
    Case(
        "an unknown 400 in plain words",
        create_user,
        answer(400, "This is not the time, come back."),
        AmazeeAiRefusedError,
        r"HTTP 400\): This is not the time, come back\.$",
    ),
    Case(
        "an unknown 400 that may hold a secret",
        create_user,
        answer(400, f"Odd value {THEIRS}"),
        AmazeeAiRefusedError,
        "may hold secrets; see its own log",
    ),
    Case(
        "an unknown 400 that echoes",
        create_user,
        answer(400, f"The password {PASSWORD} is taken"),
        AmazeeAiRefusedError,
        "may hold secrets",
    ),
    Case(
        "400 of no known form",
        create_user,
        answer(400, 7),
        AmazeeAiRefusedError,
        "without a reason",
    ),
    Case(
        "too many keys",
        create_key,
        answer(402, f"Entity has reached their maximum number of AI keys {THEIRS}"),
        AmazeeAiRefusedError,
        "too many AI keys; raise that limit",
    ),
    Case(
        "too many databases",
        create_key,
        answer(402, "Team has reached the maximum vector DB limit"),
        AmazeeAiRefusedError,
        "too many databases; raise that limit",
    ),
    Case(
        "too many users",
        create_user,
        answer(402, "Team has reached the maximum user limit"),
        AmazeeAiRefusedError,
        "too many users in the team; raise that limit",
    ),
    Case("some limit", cap_key, answer(402, "no"), AmazeeAiRefusedError, "a limit is reached"),
    Case(
        "404",
        delete_key,
        answer(404, "Private AI Key not found"),
        AmazeeAiNotFoundError,
        "not found",
    ),
    Case(
        "404 that may hold a secret",
        delete_key,
        answer(404, f"Nothing at {THEIRS}"),
        AmazeeAiNotFoundError,
        "deletion of key 9",
    ),
    Case(
        "404 of an owner",
        create_key,
        answer(404, "Owner user not found"),
        AmazeeAiNotFoundError,
        "Owner user not found",
    ),
    Case(
        "a region that is off",
        create_key,
        answer(404, "Region not found or inactive"),
        AmazeeAiRefusedError,
        "switched off; choose another in the catalogue",
    ),
    Case(
        "a path that is not there",
        delete_key,
        answer(404, "Not Found"),
        AmazeeAiUnavailableError,
        "no such path; check AMAZEE_AI_BASE_URL",
    ),
    Case("404 of a proxy", delete_key, html(404), AmazeeAiUnavailableError, "AMAZEE_AI_BASE_URL"),
    Case(
        "405",
        cap_key,
        answer(405, "Method Not Allowed"),
        AmazeeAiUnavailableError,
        "AMAZEE_AI_BASE_URL",
    ),
    Case(
        "422 with fields",
        create_user,
        answer(422, INVALID),
        AmazeeAiRefusedError,
        r"does not take body\.email \(value_error\), body\.\?\.0 \(string_too_short\)\.$",
    ),
    Case(
        "422 with many fields",
        create_user,
        answer(422, INVALID * 4),
        AmazeeAiRefusedError,
        "and 3 more",
    ),
    Case(
        "422 in words",
        create_user,
        answer(422, "Invalid email domain."),
        AmazeeAiRefusedError,
        r"HTTP 422\): Invalid email domain\.$",
    ),
    Case(
        "422 in words that echo",
        create_user,
        answer(422, f"Invalid {PASSWORD}"),
        AmazeeAiRefusedError,
        "may hold secrets",
    ),
    Case(
        "a locked alias",
        create_key,
        answer(500, ALIAS),
        AmazeeAiAlreadyExistsError,
        "creation of key trial-1-proj-creds .*LiteLLM has a key of that name",
    ),
    Case(
        "a locked alias elsewhere",
        cap_key,
        answer(500, ALIAS),
        AmazeeAiUnavailableError,
        "LiteLLM failed",
    ),
    Case(
        "LiteLLM is down",
        create_key,
        answer(500, LITELLM),
        AmazeeAiUnavailableError,
        r"key service LiteLLM failed\. It may have been carried out\.",
    ),
    Case(
        "LiteLLM refuses the backend",
        delete_key,
        answer(401, LITELLM),
        AmazeeAiUnavailableError,
        "key service LiteLLM failed",
    ),
    Case(
        "the database server is down",
        create_key,
        answer(500, f"Failed to create vector database: password {THEIRS}"),
        AmazeeAiUnavailableError,
        "vector database failed",
    ),
    Case(
        "500 in plain text",
        create_key,
        httpx.Response(500, text=f"Internal Server Error {THEIRS}"),
        AmazeeAiUnavailableError,
        "HTTP 500",
    ),
    Case("503", list_keys, answer(503, THEIRS), AmazeeAiUnavailableError, "HTTP 503"),
    Case("429", list_keys, html(429), AmazeeAiUnavailableError, "HTTP 429"),
    Case("a redirect", delete_key, html(302), AmazeeAiUnavailableError, "AMAZEE_AI_BASE_URL"),
    Case("an unheard-of status", list_keys, html(699), AmazeeAiUnavailableError, "HTTP 699"),
    Case(
        "another service's 400",
        create_user,
        httpx.Response(400, json={"error": THEIRS}),
        AmazeeAiUnavailableError,
        "something else answers",
    ),
    Case("a login page", delete_key, html(200), AmazeeAiUnavailableError, "something else answers"),
    Case(
        "no JSON",
        list_keys,
        httpx.Response(200, text=f"{{{THEIRS}"),
        AmazeeAiUnavailableError,
        "something else answers",
    ),
    Case(
        "no object",
        delete_key,
        ok([THEIRS]),
        AmazeeAiUnavailableError,
        r"not as we know it: it \(dict_type\)",
    ),
    Case("no list", list_keys, ok({"a": THEIRS}), AmazeeAiUnavailableError, r"it \(list_type\)"),
    Case(
        "a list of something else",
        list_keys,
        ok([key(), {**key(), "id": THEIRS}]),
        AmazeeAiUnavailableError,
        r"1\.id \(int_parsing\)",
    ),
    Case(
        "a new key without its password",
        create_key,
        ok({**key(), "litellm_token": THEIRS, "database_password": None}),
        AmazeeAiUnavailableError,
        "lacks database_password",
    ),
    Case(
        "a token of another user",
        create_token,
        ok({"id": 4, "name": "n", "token": THEIRS, "user_id": 1}),
        AmazeeAiUnavailableError,
        "token 4 of user 1",
    ),
    Case(
        "a token without its text", create_token, ok({"id": 4}), AmazeeAiUnavailableError, "token"
    ),
    Case(
        "a user without an address",
        create_user,
        ok(user(7, "")),
        AmazeeAiUnavailableError,
        r"email \(string_too_short\)\. It may have been",
    ),
]

PORTS: dict[type[AmazeeAiError], type[PortError]] = {
    AmazeeAiAlreadyExistsError: AlreadyExistsError,
    AmazeeAiAuthError: EndpointError,
    AmazeeAiInUseError: InUseError,
    AmazeeAiNotFoundError: NotFoundError,
    AmazeeAiRefusedError: RefusedError,
    AmazeeAiUnavailableError: EndpointError,
}
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)


def failure_of(act: Callable[[AmazeeAiClient], object], client: AmazeeAiClient) -> AmazeeAiError:
    with pytest.raises(AmazeeAiError) as caught:
        act(client)
    return caught.value


def shown(error: BaseException | None) -> str:
    """Return all that an error could tell, its chain included, suppressed or not."""
    if error is None:
        return ""
    own = f"{error!s} {error!r} {error.args!r} {vars(error)!r} {traceback.format_exception(error)}"
    return own + shown(error.__cause__) + shown(error.__context__)


def leaks(error: BaseException, caplog: pytest.LogCaptureFixture) -> list[str]:
    told = shown(error) + caplog.text + "".join(repr(vars(record)) for record in caplog.records)
    return [secret for secret in SECRETS if secret in told]


@each_case
def test_a_failure_becomes_the_error_that_says_what_to_do(case: Case) -> None:
    error = failure_of(case.act, client_of(Player(case.answer), attempts=1))
    assert type(error) is case.error
    assert isinstance(error, PORTS[case.error])
    assert re.search(case.text, str(error)), error
    assert str(error).endswith(".")


def test_every_error_of_the_tree_has_a_case() -> None:
    assert {case.error for case in CASES} == set(PORTS)


@each_case
def test_an_error_of_the_endpoint_names_it(case: Case) -> None:
    error = failure_of(case.act, client_of(Player(case.answer), attempts=1))
    if isinstance(error, EndpointError):
        assert error.endpoint == AMAZEE_AI


@contextmanager
def serving(reply: httpx.Response) -> Iterator[str]:
    """Answer every request with *reply*, over a real socket, and yield the address."""
    head = f"HTTP/1.1 {reply.status_code} -\r\nContent-Length: {len(reply.content)}\r\n\r\n"

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            for line in iter(self.rfile.readline, b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split()[1])
            self.rfile.read(length)
            self.wfile.write(head.encode() + reply.content)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@each_case
def test_no_secret_gets_out_by_an_error_or_a_log(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("", "httpx", "httpcore"):  # our own code may have quieted them
        caplog.set_level(logging.DEBUG, logger=name or None)
    with serving(case.answer) as url, httpx.Client() as http:
        client = AmazeeAiClient(http, url, lambda: Secret(TOKEN), attempts=1)
        error = failure_of(case.act, client)
    assert {"httpx", "httpcore.http11"} <= {record.name for record in caplog.records}
    assert leaks(error, caplog) == []
    assert (error.__cause__, error.__context__) == (None, None)


LOST = [
    httpx.ConnectError(f"refused {THEIRS}"),
    httpx.ReadTimeout(f"slow {THEIRS}"),
    httpx.RemoteProtocolError(f"cut {THEIRS}"),
    httpx.LocalProtocolError(f"Illegal header value b'Bearer {TOKEN}'"),
    httpx.InvalidURL(f"no URL: {THEIRS}"),
]


@pytest.mark.parametrize("lost", LOST, ids=lambda lost: type(lost).__name__)
def test_no_secret_gets_out_by_a_lost_answer(
    lost: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = client_of(Player(lost), lambda: Secret(TOKEN), attempts=1)
    error = failure_of(create_user, client)
    assert type(error) is AmazeeAiUnavailableError
    assert leaks(error, caplog) == []
    assert (error.__cause__, error.__context__) == (None, None)


def test_no_secret_gets_out_when_a_read_was_tried_three_times(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    player = Player(httpx.ReadTimeout(THEIRS), answer(500, THEIRS), html(502))
    error = failure_of(list_keys, client_of(player, lambda: Secret(TOKEN)))
    assert len(player.requests) == 3
    assert leaks(error, caplog) == []


@pytest.mark.parametrize("token", ["", "  \n", f"{TOKEN}\nX-Other: 1", f"{TOKEN} twice", "tökén"])
def test_a_token_that_is_none_is_not_sent(token: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    player = Player(ok([]))
    error = failure_of(list_keys, client_of(player, lambda: Secret(token)))
    assert type(error) is AmazeeAiAuthError
    assert "AMAZEE_AI_TOKEN_FILE" in str(error)
    assert leaks(error, caplog) == []
    assert player.requests == []


def test_no_secret_gets_out_by_a_success(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = {**key(), "litellm_token": THEIRS, "database_password": PASSWORD}
    with serving(ok(made)) as url, httpx.Client() as http:
        client = AmazeeAiClient(http, url, lambda: Secret(TOKEN))
        found = create_key(client)
    assert leaks(ValueError(f"{found} {found!r} {client!r} {vars(client)!r}"), caplog) == []


def test_an_address_with_a_password_in_it_is_refused() -> None:
    with pytest.raises(ValueError, match="AMAZEE_AI_BASE_URL") as caught:
        AmazeeAiClient(httpx.Client(), f"https://me:{PASSWORD}@ai.test", lambda: Secret(TOKEN))
    assert PASSWORD not in shown(caught.value)
