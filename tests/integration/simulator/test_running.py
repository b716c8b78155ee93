"""Starting and stopping: keys, ports, the foreground process and its banner."""

import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from polydock_pipelines.simulator.addresses import environment
from polydock_pipelines.simulator.keys import prepare
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.simulator import Simulator

SERVE = """
from pathlib import Path
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.simulator import serve
serve(SimulatorOptions(home=Path({home!r}), port=0, ssh_port=0, smtp_port=0))
"""


def _options(home: Path) -> SimulatorOptions:
    return SimulatorOptions(home=home, port=0, ssh_port=0, smtp_port=0)


@contextmanager
def _foreground(home: Path) -> Iterator[subprocess.Popen[str]]:
    code = SERVE.format(home=str(home))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        try:
            yield run
        finally:
            run.kill()


def _banner(run: subprocess.Popen[str]) -> str:
    assert run.stdout is not None
    return "".join(run.stdout.readline() for _ in range(8))


def test_the_keys_are_made_once_and_are_private(tmp_path: Path) -> None:
    prepare(tmp_path / "home")
    files = {path: path.read_bytes() for path in (tmp_path / "home").iterdir()}

    prepare(tmp_path / "home")

    assert {path: path.read_bytes() for path in (tmp_path / "home").iterdir()} == files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {"id_ed25519", "known_hosts", "amazee-ai.token"} <= {path.name for path in files}


def test_the_environment_leads_a_client_to_fixed_ports(tmp_path: Path) -> None:
    assert environment(SimulatorOptions(home=tmp_path)) == {
        "LAGOON_API_URL": "http://127.0.0.1:9000/graphql",
        "LAGOON_SSH_HOST": "127.0.0.1",
        "LAGOON_SSH_PORT": "9022",
        "LAGOON_SSH_USER": "lagoon",
        "LAGOON_SSH_KEY_FILE": f"{tmp_path}/id_ed25519",
        "LAGOON_SSH_KNOWN_HOSTS": f"{tmp_path}/known_hosts",
        "SMTP_URL": "smtp://127.0.0.1:9025",
        "AMAZEE_AI_BASE_URL": "http://127.0.0.1:9000/amazee-ai",
        "AMAZEE_AI_TOKEN_FILE": f"{tmp_path}/amazee-ai.token",
    }


def test_free_ports_are_taken_and_given_back(tmp_path: Path) -> None:
    with Simulator(_options(tmp_path)) as simulator:
        ports = {simulator.ssh_port, simulator.command_ssh_port, simulator.smtp_port}
        assert len(ports) == 3
        assert simulator.environment["LAGOON_API_URL"] == simulator.graphql_url
        assert httpx.get(f"{simulator.url}/status").status_code == 200

    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_simulator_that_does_not_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not running"):
        _ = Simulator(_options(tmp_path)).url


@pytest.mark.parametrize("name", ["port", "ssh_port", "smtp_port", "command_ssh_port"])
def test_a_port_that_is_taken_stops_the_start(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = replace(_options(tmp_path), **{name: taken.getsockname()[1]})

        with pytest.raises(OSError, match="in use"), Simulator(options):
            pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_foreground_process_says_what_it_is_and_ends_on_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    with _foreground(tmp_path) as run:
        banner = _banner(run)
        run.send_signal(number)
        code = run.wait(10)

    assert "It is not a Lagoon" in banner
    assert "/amazee-ai\n" in banner
    assert code == 0


def test_a_stop_does_not_wait_for_a_request_that_is_held(tmp_path: Path) -> None:
    with Simulator(_options(tmp_path)) as simulator:
        simulator.fault("POST /_sim/webhooks/slow", "timeout")
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{simulator.url}/_sim/webhooks/slow", timeout=0.1)
        simulator.fault("POST /_sim/webhooks/slow", "timeout")
        held = socket.create_connection(("127.0.0.1", int(simulator.url.rpartition(":")[2])))
        head = b"POST /_sim/webhooks/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        held.sendall(head)
        while simulator.state["faults"]:
            pass

    with held:
        assert _rest(held) == b""


def _rest(held: socket.socket) -> bytes:
    try:
        return held.recv(100)
    except ConnectionResetError:
        return b""
