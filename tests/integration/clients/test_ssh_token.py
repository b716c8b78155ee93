"""Tokens from a real SSH server on loopback; contract §2 and §7."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import jwt
import pytest

from polydock_pipelines.clients.lagoon.errors import LagoonAuthError, LagoonUnavailableError
from polydock_pipelines.clients.lagoon.token import SshToken, StaticToken
from polydock_pipelines.lifecycle.secret import Secret
from tests.fakes.clock import FakeClock
from tests.integration.clients.recorded import Player, client_of, data, error
from tests.integration.clients.ssh_server import Behaviour, Process, SshServer, says, serving

KEY = "k" * 32


def token(now: datetime, life_s: float = 300, **claims: Any) -> str:
    issued = now.timestamp()
    return jwt.encode({"iat": issued, "exp": issued + life_s, **claims}, KEY)


def source(server: SshServer, clock: FakeClock, **options: Any) -> SshToken:
    return SshToken(
        server.identity,
        clock,
        host=server.host,
        port=server.port,
        **{"connect_timeout_s": 5, "timeout_s": 5, **options},
    )


class Mint:
    """A token service that numbers its tokens."""

    def __init__(self, clock: FakeClock, life_s: float = 300, **claims: Any) -> None:
        self.clock, self.life_s, self.claims, self.count = clock, life_s, claims, 0

    async def __call__(self, process: Process) -> None:
        self.count += 1
        await says(token(self.clock.now(), self.life_s, jti=self.count, **self.claims) + "\r\n")(
            process
        )


def test_a_token_is_fetched_once_and_kept(tmp_path: Path) -> None:
    clock = FakeClock()
    with serving(tmp_path, Mint(clock)) as server:
        tokens = source(server, clock)
        assert tokens.token() == tokens.token()
    assert [(seen.user, seen.command) for seen in server.seen] == [("lagoon", "token")]


@pytest.mark.parametrize(
    ("life_s", "good_s"),
    [(300, 239), (100, 39), (1000, 799), (40, 31)],
    ids=["60 s early", "60 s early of a short life", "4/5 of a long life", "a very short life"],
)
def test_a_token_is_replaced_before_its_end(tmp_path: Path, life_s: float, good_s: int) -> None:
    clock = FakeClock()
    with serving(tmp_path, Mint(clock, life_s)) as server:
        tokens = source(server, clock)
        first = tokens.token()
        clock.advance(good_s)
        assert tokens.token() == first
        clock.advance(2)
        assert tokens.token() != first


def test_a_clock_that_differs_from_lagoons_does_no_harm(tmp_path: Path) -> None:
    clock, theirs = FakeClock(), FakeClock()
    theirs.advance(timedelta(hours=-2))
    with serving(tmp_path, Mint(theirs)) as server:
        tokens = source(server, clock)
        assert tokens.token() == tokens.token()


def test_a_token_without_an_end_is_kept_for_two_minutes(tmp_path: Path) -> None:
    clock = FakeClock()
    bare = jwt.encode({"sub": "x"}, KEY)
    with serving(tmp_path, says(bare)) as server:
        tokens = source(server, clock)
        tokens.token()
        clock.advance(119)
        tokens.token()
        assert len(server.seen) == 1
        clock.advance(2)
        tokens.token()
    assert len(server.seen) == 2


def test_threads_wait_for_one_fetch(tmp_path: Path) -> None:
    clock = FakeClock()
    with serving(tmp_path, Mint(clock)) as server, ThreadPoolExecutor(8) as pool:
        tokens = source(server, clock)
        found = list(pool.map(lambda _: tokens.token(), range(8)))
        assert len(set(found)) == 1
        renewed = list(pool.map(tokens.renew, found))
    assert len(set(renewed)) == 1
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    "behaviour",
    [
        says("", "internal error. SID: 0a1b2c"),
        says("", 'invalid command: only "grant" and "token" are supported'),
        says("one.two", ""),
        says("not a token at all", ""),
        says("", "", 1),
    ],
)
def test_exit_0_without_a_token_is_a_failure(tmp_path: Path, behaviour: Behaviour) -> None:
    with serving(tmp_path, behaviour) as server, pytest.raises(LagoonUnavailableError) as caught:
        source(server, FakeClock()).token()
    assert caught.value.endpoint == "lagoon"
    assert "LAGOON_SSH_HOST" in str(caught.value)


def test_three_parts_that_are_no_jwt_are_a_failure(tmp_path: Path) -> None:
    with (
        serving(tmp_path, says("aaa.bbb.ccc")) as server,
        pytest.raises(LagoonAuthError, match="no JWT") as caught,
    ):
        source(server, FakeClock()).token()
    assert "aaa.bbb.ccc" not in str(caught.value)


def test_an_unknown_key_is_a_credential_that_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, says()) as server:
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(server.identity.key_file)
        with pytest.raises(LagoonAuthError, match="Add the key") as caught:
            source(server, FakeClock()).token()
    assert caught.value.endpoint == "lagoon"


def test_an_unknown_host_key_says_which_file_to_look_at(tmp_path: Path) -> None:
    with serving(tmp_path, says()) as server:
        Path(server.identity.known_hosts_file).write_text("")
        with pytest.raises(LagoonUnavailableError, match="known_hosts"):
            source(server, FakeClock()).token()


def test_a_failure_answers_for_five_seconds_and_is_then_tried_again(tmp_path: Path) -> None:
    clock = FakeClock()
    with serving(tmp_path, says("", "internal error. SID: 0a1b2c")) as server:
        tokens = source(server, clock)
        for _ in range(3):
            with pytest.raises(LagoonUnavailableError):
                tokens.token()
        assert len(server.seen) == 1
        clock.advance(6)
        with pytest.raises(LagoonUnavailableError):
            tokens.token()
    assert len(server.seen) == 2


def test_a_service_that_hangs_is_given_up(tmp_path: Path) -> None:
    async def hang(_process: Process) -> None:
        await asyncio.sleep(60)

    started = time.monotonic()
    with serving(tmp_path, hang) as server, pytest.raises(LagoonUnavailableError, match="within"):
        source(server, FakeClock(), timeout_s=0.5).token()
    assert time.monotonic() - started < 4


def test_a_refused_token_is_replaced_over_ssh_and_the_request_repeated(tmp_path: Path) -> None:
    clock = FakeClock()
    player = Player(
        error(401, "Unauthorized - Keycloak token invalid: session signed out"),
        data(deploymentsByFilter=[]),
    )
    with serving(tmp_path, Mint(clock)) as server:
        assert client_of(player, source(server, clock)).deployments.running() == []
    assert len(server.seen) == 2
    assert len(set(player.tokens)) == 2


def test_a_static_token_has_no_successor() -> None:
    tokens = StaticToken(Secret("a.b.c"))
    assert tokens.token() == "a.b.c"
    assert tokens.renew("a.b.c") is None
    assert "a.b.c" not in repr(vars(tokens))
