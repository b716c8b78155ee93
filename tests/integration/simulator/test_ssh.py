"""Tokens and commands over SSH, with a real client."""

import asyncio
import json
import os
import re
import time
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import asyncssh
import pytest

from polydock_pipelines.simulator.simulator import Simulator
from tests.integration.simulator.caller import DELETE_ENVIRONMENT, SET_VARIABLE, Caller

T = TypeVar("T")
NAMESPACE = "trial-1-main"
SCRIPT = "service=cli container=cli sh -s"
SID = r"SID: [0-9a-f]+\n"


@dataclass
class Ssh:
    """Runs commands on one of the simulator's SSH hosts."""

    simulator: Simulator

    def connect(
        self, port: int, user: str, key: asyncssh.SSHKey | None = None
    ) -> AbstractAsyncContextManager[asyncssh.SSHClientConnection]:
        """Return a connection to be entered."""
        return asyncssh.connect(
            "127.0.0.1",
            port,
            username=user,
            client_keys=[key or str(self.simulator.key_file)],
            known_hosts=str(self.simulator.known_hosts_file),
            agent_path=None,
            config=None,
        )

    def token_host(self, command: str, user: str = "lagoon") -> asyncssh.SSHCompletedProcess:
        """Run a command on the token host."""
        return _run(self._once(self.simulator.ssh_port, user, command, ""))

    def command_host(
        self, script: str, *, command: str = SCRIPT, user: str = NAMESPACE
    ) -> asyncssh.SSHCompletedProcess:
        """Run a script on the command host."""
        return _run(self._once(self.simulator.command_ssh_port, user, command, script))

    async def _once(
        self, port: int, user: str, command: str, script: str
    ) -> asyncssh.SSHCompletedProcess:
        async with self.connect(port, user) as connection:
            return await connection.run(command, input=script)


def _run(work: Coroutine[object, object, T]) -> T:
    return asyncio.run(work)


@pytest.fixture
def ssh(simulator: Simulator) -> Ssh:
    return Ssh(simulator)


@pytest.fixture
def trial(caller: Caller) -> Caller:
    caller.add_project()
    for name, scope in (("GREETING", "GLOBAL"), ("QUIET", "RUNTIME"), ("BUILDER", "BUILD")):
        given = {"project": "trial-1", "name": name, "value": f"{name} it's", "scope": scope}
        caller.ask(SET_VARIABLE, input=given)
    caller.deploy()
    caller.clock.move(30)
    return caller


def test_the_token_host_prints_a_token_that_works(ssh: Ssh, caller: Caller) -> None:
    done = ssh.token_host("token")

    assert done.exit_status == 0
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\r\n", str(done.stdout))
    caller.token = str(done.stdout).strip()
    assert caller.ask("{ lagoonVersion }") == "2.33.1"


def test_a_grant_is_one_line_of_json(ssh: Ssh) -> None:
    done = ssh.token_host("grant")

    assert set(json.loads(str(done.stdout))) == {
        "access_token",
        "token_type",
        "refresh_token",
        "expiry",
    }


def test_another_word_is_refused_with_exit_0(ssh: Ssh) -> None:
    done = ssh.token_host("whoami")

    assert (done.exit_status, done.stdout) == (0, "")
    assert re.fullmatch(
        rf'invalid command: only "grant" and "token" are supported. {SID}', str(done.stderr)
    )


def test_an_unknown_key_is_refused(ssh: Ssh, trial: Caller) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519")

    async def knock(port: int, user: str) -> None:
        async with ssh.connect(port, user, stranger):
            pass

    for port, user in (
        (ssh.simulator.ssh_port, "lagoon"),
        (ssh.simulator.command_ssh_port, NAMESPACE),
    ):
        with pytest.raises(asyncssh.PermissionDenied):
            _run(knock(port, user))


@pytest.mark.usefixtures("trial")
def test_the_token_host_runs_no_commands_and_says_where(ssh: Ssh) -> None:
    known = ssh.token_host("service=cli container=cli true", user=NAMESPACE)
    unknown = ssh.token_host("service=cli container=cli true", user="no-such")

    assert (known.exit_status, known.stdout) == (0, "")
    assert f"ssh -p {ssh.simulator.command_ssh_port} {NAMESPACE}@127.0.0.1" in str(known.stderr)
    assert unknown.exit_status == 0
    assert re.fullmatch(
        rf"This SSH server does not provide shell access. {SID}", str(unknown.stderr)
    )


def test_one_host_serves_both_when_told_to(ssh: Ssh, trial: Caller) -> None:
    trial.change(separate_command_host=False)

    done = ssh.token_host("service=cli container=cli echo here", user=NAMESPACE)

    assert done.stdout == "here\n"


def test_stdin_is_forwarded_and_both_outputs_and_the_exit_code_come_back(
    ssh: Ssh, trial: Caller
) -> None:
    done = ssh.command_host("# polydock-stage: post-deploy\necho out; echo err >&2; exit 7")

    assert (done.stdout, done.stderr, done.exit_status) == ("out\n", "err\n", 7)
    ran = trial.state("commands")[0]
    assert (ran["namespace"], ran["stage"], ran["exit_code"]) == (NAMESPACE, "post-deploy", 7)


@pytest.mark.usefixtures("trial")
def test_a_command_keeps_its_quotes(ssh: Ssh) -> None:
    done = ssh.command_host("", command="service=cli container=cli echo 'a   b' \"$0\"")

    assert done.stdout == "a   b /bin/sh\n"


@pytest.mark.usefixtures("trial")
def test_a_service_is_only_taken_from_the_front(ssh: Ssh) -> None:
    done = ssh.command_host("", command="echo service=cli container=cli")
    other = ssh.command_host("", command="service=nginx pwd")
    bad = ssh.command_host("", command="service=../x pwd")

    assert done.stdout == "service=cli container=cli\n"
    assert str(other.stdout).rstrip().endswith("/nginx")
    assert (bad.exit_status, bad.stdout) == (0, "")
    assert re.fullmatch(rf"unknown service ../x. {SID}", str(bad.stderr))


def test_a_command_sees_the_variables_of_the_last_finished_deployment(
    ssh: Ssh, trial: Caller
) -> None:
    print_all = 'echo "$GREETING|$QUIET|$BUILDER|$LAGOON_PROJECT|$LAGOON_ENVIRONMENT|$LAGOON_ROUTE"'
    given = {"project": "trial-1", "name": "GREETING", "value": "new", "scope": "GLOBAL"}
    route = "https://nginx.main.trial-1.eu-1.lagoon.example"
    trial.ask(SET_VARIABLE, input=given)
    trial.deploy()

    before = ssh.command_host(print_all)
    trial.clock.move(30)
    after = ssh.command_host(print_all)

    assert before.stdout == f"GREETING it's|QUIET it's||trial-1|main|{route}\n"
    assert str(after.stdout).startswith("new|QUIET it's|")


@pytest.mark.usefixtures("trial")
def test_a_container_knows_nothing_of_this_process_and_keeps_its_files(
    ssh: Ssh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYDOCK_SECRET_KEYS", "hidden")
    ssh.command_host("echo kept > file; echo scratch > $TMPDIR/file")

    done = ssh.command_host('cat "$HOME/file" ./tmp/file; env')

    assert str(done.stdout).startswith("kept\nscratch\n")
    assert "POLYDOCK_SECRET_KEYS" not in str(done.stdout)


def test_a_missing_or_removed_environment_refuses_the_key(ssh: Ssh, trial: Caller) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        ssh.command_host("true", user="no-such")
    with pytest.raises(asyncssh.PermissionDenied):
        ssh.command_host("true", user="house-website-main")

    trial.ask(DELETE_ENVIRONMENT, input={"name": "main", "project": "trial-1"})
    trial.clock.move(5)
    with pytest.raises(asyncssh.PermissionDenied):
        ssh.command_host("true")


def test_an_idled_environment_takes_its_time_to_wake_once(ssh: Ssh, trial: Caller) -> None:
    trial.change(wake_seconds=0.4)

    began = time.monotonic()
    ssh.command_host("true")
    woken = time.monotonic()
    ssh.command_host("true")

    assert woken - began >= 0.4
    assert time.monotonic() - woken < 0.4


async def _start_and_cut(ssh: Ssh, script: str, home: Path) -> None:
    """Start a script, wait until it says `ready`, and cut the connection."""
    async with ssh.connect(ssh.simulator.command_ssh_port, NAMESPACE) as connection:
        process = await connection.create_process(SCRIPT)
        process.stdin.write(script)
        process.stdin.write_eof()
        assert await process.stdout.readline() == "ready\n"
        assert home.exists()
        connection.abort()


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _ends(pid: int) -> bool:
    """Wait at most three seconds for the end of a process."""
    for _ in range(60):
        if not _is_alive(pid):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.usefixtures("trial")
def test_a_cut_connection_ends_the_command_but_not_what_detached_itself(
    ssh: Ssh, tmp_path: Path
) -> None:
    script = (
        f"setsid sh -c 'echo $$ > {tmp_path}/detached; exec sleep 30' >&- 2>&- <&- &\n"
        f"sleep 31 & echo $! > {tmp_path}/child\n"
        f"while [ ! -s {tmp_path}/detached ]; do sleep 0.02; done\n"
        "echo ready\nwait\n"
    )

    _run(_start_and_cut(ssh, script, tmp_path))

    assert _ends(int((tmp_path / "child").read_text()))
    detached = int((tmp_path / "detached").read_text())
    assert _is_alive(detached)
    os.kill(detached, 9)


@pytest.mark.parametrize(
    ("kind", "code", "stderr"),
    [
        ("ssh_254", 254, rf"error executing command. {SID}"),
        ("ssh_255", 255, ""),
        ("ssh_error_exit0", 0, rf"internal error. {SID}"),
    ],
)
def test_a_fault_of_a_stage_strikes_its_script_and_no_other(
    ssh: Ssh, trial: Caller, kind: str, code: int, stderr: str
) -> None:
    trial.order("ssh:claim", kind)

    other = ssh.command_host("# polydock-stage: post-deploy\necho https://a.example")
    claim = ssh.command_host("# polydock-stage: polydock-claim\necho https://a.example")
    again = ssh.command_host("# polydock-stage: polydock-claim\necho https://a.example")

    assert other.stdout == again.stdout == "https://a.example\n"
    assert (claim.exit_status, claim.stdout) == (code, "")
    assert re.fullmatch(stderr, str(claim.stderr))


def test_ssh_no_url_runs_nothing_and_prints_no_address(
    ssh: Ssh, trial: Caller, tmp_path: Path
) -> None:
    trial.order("ssh:polydock-claim", "ssh_no_url")

    done = ssh.command_host(
        f"# polydock-stage: polydock-claim\ntouch {tmp_path}/ran; echo https://a.example"
    )

    assert done.exit_status == 0
    assert "https://" not in str(done.stdout)
    assert not (tmp_path / "ran").exists()


def test_ssh_cut_ends_the_connection_in_the_middle_of_a_command(
    ssh: Ssh, trial: Caller, tmp_path: Path
) -> None:
    trial.order("ssh:*", "ssh_cut", seconds=0.2)

    # The connection ends under the client, which has no exit status then.
    done = ssh.command_host(f"touch {tmp_path}/began; sleep 20; touch {tmp_path}/ended")

    assert done.exit_status is None
    assert (tmp_path / "began").exists()
    assert trial.state("commands")[0]["exit_code"] is None


@pytest.mark.parametrize(("match", "port"), [("ssh:token", "ssh_port"), ("ssh:claim", "command")])
def test_ssh_host_key_presents_another_key_once(
    ssh: Ssh, trial: Caller, match: str, port: str
) -> None:
    trial.order(match, "ssh_host_key")

    def connect() -> object:
        return ssh.token_host("token") if port == "ssh_port" else ssh.command_host("true")

    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        connect()
    assert connect()
    assert trial.state("faults") == []


def test_a_fault_of_the_token_host_leaves_the_commands_alone(ssh: Ssh, trial: Caller) -> None:
    trial.order("ssh:token", "ssh_error_exit0")

    assert ssh.command_host("echo here").stdout == "here\n"
    done = ssh.token_host("token")

    assert (done.exit_status, done.stdout) == (0, "")
    assert re.fullmatch(rf"internal error. {SID}", str(done.stderr))


def test_slow_and_timeout_hold_a_session(ssh: Ssh, caller: Caller) -> None:
    caller.order("ssh:token", "slow", seconds=0.2)
    caller.order("ssh:token", "timeout", seconds=0.2)
    began = time.monotonic()

    assert ssh.token_host("token").stdout
    assert time.monotonic() - began >= 0.2
    assert not ssh.token_host("token").stdout


@pytest.mark.usefixtures("trial")
def test_a_command_that_a_signal_ended_has_the_code_of_a_shell(ssh: Ssh) -> None:
    assert ssh.command_host("kill -9 $$").exit_status == 137


@pytest.mark.usefixtures("trial")
def test_a_child_that_keeps_the_output_open_does_not_hold_the_session(ssh: Ssh) -> None:
    began = time.monotonic()

    done = ssh.command_host("sleep 20 &\necho done")

    assert (done.stdout, done.exit_status) == ("done\n", 0)
    assert time.monotonic() - began < 10


def test_much_output_comes_through_whole(ssh: Ssh, trial: Caller) -> None:
    assert trial
    done = ssh.command_host("head -c 3000000 /dev/zero | tr '\\0' x")

    assert len(str(done.stdout)) == 3_000_000


def test_a_script_of_many_kilobytes_is_read_to_its_end(ssh: Ssh, trial: Caller) -> None:
    assert trial
    script = "# polydock-stage: upgrade\n" + ": padding\n" * 30_000 + "echo done\n"

    assert ssh.command_host(script).stdout == "done\n"
