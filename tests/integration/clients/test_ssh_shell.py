"""Commands against a real SSH server on loopback; contract §7."""

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncssh
import pytest

from polydock_pipelines.clients.lagoon.ssh import MAX_OUTPUT, SshIdentity
from polydock_pipelines.clients.shell import ShellEndpointError, ShellError, SshShell
from polydock_pipelines.ports import Container, EndpointError, Shell
from tests.integration.clients.ssh_server import Behaviour, Process, SshServer, says, serving

AT = Container("trial-1-main")
SCRIPT = "echo 'very secret script'\n"


def shell_of(server: SshServer, timeout_s: float = 10, **changes: SshIdentity) -> SshShell:
    identity = changes.get("identity", server.identity)
    return SshShell(
        identity, host=server.host, port=server.port, connect_timeout_s=5, timeout_s=timeout_s
    )


def run(folder: Path, behaviour: Behaviour, at: Container = AT) -> tuple[int, str, str]:
    with serving(folder, behaviour) as server:
        result = shell_of(server).run(at, SCRIPT)
    return result.exit_code, result.stdout.reveal(), result.stderr.reveal()


def error(folder: Path, behaviour: Behaviour, timeout_s: float = 10) -> ShellError:
    with serving(folder, behaviour) as server, pytest.raises(ShellError) as caught:
        shell_of(server, timeout_s).run(AT, SCRIPT)
    assert "secret" not in f"{caught.value!s}{caught.value!r}"
    return caught.value


def test_a_script_goes_over_standard_input_to_the_named_container(tmp_path: Path) -> None:
    with serving(tmp_path, says("out", "err", 3)) as server:
        shell: Shell = shell_of(server)
        at = Container("trial-1-main", service="nginx", container="php")
        result = shell.run(at, SCRIPT)
    (seen,) = server.seen
    assert (result.exit_code, result.stdout.reveal(), result.stderr.reveal()) == (3, "out", "err")
    assert repr(result) == "CommandResult(exit_code=3, stdout=Secret(***), stderr=Secret(***))"
    assert seen.user == "trial-1-main"
    assert seen.command == "service=nginx container=php sh -s"
    assert seen.stdin == SCRIPT


def test_without_a_container_the_services_first_one_is_taken(tmp_path: Path) -> None:
    with serving(tmp_path, says()) as server:
        shell_of(server).run(AT, SCRIPT)
    assert server.seen[0].command == "service=cli sh -s"


def test_the_environments_own_host_comes_before_the_configured_one(tmp_path: Path) -> None:
    with serving(tmp_path, says("here")) as server:
        shell = SshShell(server.identity, host="nowhere.invalid", port=1, connect_timeout_s=5)
        at = Container("trial-1-main", host=server.host, port=server.port)
        assert shell.run(at, SCRIPT).stdout.reveal() == "here"


@pytest.mark.parametrize(
    "at",
    [
        Container("trial-1-main", service="cli; rm -rf /"),
        Container("trial-1-main", service=""),
        Container("trial-1-main", service="cli\ncli"),
        Container("trial-1-main", container="a b"),
        Container("trial-1-main", container=""),
        Container("x y"),
        Container(""),
    ],
)
def test_names_that_kubernetes_would_not_take_run_nothing(tmp_path: Path, at: Container) -> None:
    with serving(tmp_path, says()) as server, pytest.raises(ShellError, match="is no name"):
        shell_of(server).run(at, SCRIPT)
    assert server.seen == []


SESSION = "SID: 0a1b2c3d4e5f"


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        (says("", f"internal error. {SESSION}"), "exit 0"),
        (says("", f"unknown service cli. {SESSION}"), "no such service"),
        (says("", "invalid exec session parameters"), "exit 0"),
        (says("", 'invalid command: only "grant" and "token" are supported'), "exit 0"),
        (says("", "This SSH server does not provide shell access. Use …"), "deploy target"),
        (says("", f"error executing command. {SESSION}", 254), "exit 254"),
        (says("half", "", 254), "exit 254"),
        (says("", "", 253), "exit 253"),
        (says("", "", 255), "255"),
        (says("0a1b-2c: no access to trial-1-main", "", 1), "no access"),
        (says("No running pod found for service cli", "", 1), "no pod"),
        (says("Pod for cli took too long to start", "", 1), "too long"),
    ],
)
def test_an_answer_that_is_not_the_scripts_is_an_error(
    tmp_path: Path, behaviour: Behaviour, text: str
) -> None:
    caught = error(tmp_path, behaviour)
    assert text in str(caught)
    assert not isinstance(caught, EndpointError)


@pytest.mark.parametrize(
    ("stdout", "stderr", "code"),
    [
        ("", "", 0),
        ("https://x/login\n", f"warning, {SESSION}", 0),
        ("", "a warning of the script's", 0),
        ("", "drush: no such user", 1),
        ("PHP Fatal error: memory", "", 255),
        ("", "PHP Fatal error: memory", 255),
    ],
)
def test_an_answer_of_the_scripts_is_a_result(
    tmp_path: Path, stdout: str, stderr: str, code: int
) -> None:
    assert run(tmp_path, says(stdout, stderr, code)) == (code, stdout, stderr)


def test_an_environment_that_wakes_slowly_is_waited_for(tmp_path: Path) -> None:
    async def wake(process: Process) -> None:
        await asyncio.sleep(1)
        await says("awake")(process)

    assert run(tmp_path, wake)[1] == "awake"


def test_long_output_is_read_to_its_end_and_cut(tmp_path: Path) -> None:
    async def shout(process: Process) -> None:
        for _ in range(64):
            process.stdout.write("o" * 16384)
            process.stderr.write("e" * 16384)
            await process.stdout.drain()
        process.exit(0)

    code, stdout, stderr = run(tmp_path, shout)
    assert code == 0
    assert len(stdout) == len(stderr) == MAX_OUTPUT


async def shout_for_ever(process: Process) -> None:
    while True:
        process.stdout.write("o" * 16384)
        await process.stdout.drain()


async def hang(_process: Process) -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize("behaviour", [shout_for_ever, hang])
def test_a_command_without_an_end_is_given_up(tmp_path: Path, behaviour: Behaviour) -> None:
    started = time.monotonic()
    caught = error(tmp_path, behaviour, timeout_s=1)
    assert "within 1 s" in str(caught)
    assert time.monotonic() - started < 5


def test_a_cut_connection_is_no_result(tmp_path: Path) -> None:
    async def cut(process: Process) -> None:
        process.stdout.write("half of the sec")
        process.channel.get_connection().abort()

    caught = error(tmp_path, cut)
    assert "broke" in str(caught) or "ended" in str(caught)
    assert not isinstance(caught, EndpointError)


def test_an_end_without_an_exit_code_is_no_result(tmp_path: Path) -> None:
    async def leave(process: Process) -> None:
        process.close()

    assert "before the command did" in str(error(tmp_path, leave))


def test_a_command_that_reads_nothing_still_has_its_exit_code(tmp_path: Path) -> None:
    with serving(tmp_path, says("", "", 7), reads_stdin=False) as server:
        assert shell_of(server).run(AT, "x" * 8_000_000).exit_code == 7


def test_output_that_is_no_text_is_no_reason_to_fail(tmp_path: Path) -> None:
    async def bytes_(process: Process) -> None:
        process.channel.set_encoding("latin-1")
        process.stdout.write("\xff\xfe")
        process.exit(0)

    assert "\ufffd" in run(tmp_path, bytes_)[1]


def test_a_refused_key_says_both_reasons(tmp_path: Path) -> None:
    with serving(tmp_path, says()) as server:
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(server.identity.key_file)
        with pytest.raises(ShellError, match="does not exist, or the user") as caught:
            shell_of(server).run(AT, SCRIPT)
    assert not isinstance(caught.value, EndpointError)


def endpoint_error(shell: SshShell) -> str:
    with pytest.raises(ShellEndpointError) as caught:
        shell.run(AT, SCRIPT)
    assert caught.value.endpoint.startswith("lagoon-ssh 127.0.0.1:")
    return str(caught.value)


def test_a_changed_host_key_says_which_file_to_look_at(tmp_path: Path) -> None:
    with serving(tmp_path, says()) as server:
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        known_hosts = Path(server.identity.known_hosts_file)
        known_hosts.write_text(f"[127.0.0.1]:{server.port} {other}")
        assert str(known_hosts) in endpoint_error(shell_of(server))
    assert server.seen == []


def test_a_server_with_several_host_keys_shows_the_one_that_is_known(tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    with serving(tmp_path, says("ok"), more_host_keys=[other]) as server:
        known_hosts = Path(server.identity.known_hosts_file)
        known_hosts.write_text(f"[127.0.0.1]:{server.port} {other.export_public_key().decode()}")
        assert shell_of(server).run(AT, SCRIPT).stdout.reveal() == "ok"


def test_an_unknown_host_is_not_trusted(tmp_path: Path) -> None:
    with serving(tmp_path, says()) as server:
        Path(server.identity.known_hosts_file).write_text("")
        assert "host key" in endpoint_error(shell_of(server))


def test_a_missing_known_hosts_file_is_named(tmp_path: Path) -> None:
    with serving(tmp_path, says()) as server:
        Path(server.identity.known_hosts_file).unlink()
        assert "known_hosts" in endpoint_error(shell_of(server))


@pytest.mark.parametrize("content", [None, "no key"])
def test_an_unusable_key_file_is_named(tmp_path: Path, content: str | None) -> None:
    with serving(tmp_path, says()) as server:
        key_file = Path(server.identity.key_file)
        key_file.unlink()
        if content:
            key_file.write_text(content)
        assert str(key_file) in endpoint_error(shell_of(server))


def test_a_server_that_is_away_is_an_error_of_the_endpoint(tmp_path: Path) -> None:
    with serving(tmp_path, says()) as server:
        pass
    assert "cannot be reached" in endpoint_error(shell_of(server))


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    with serving(tmp_path, says()) as server, socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        shell = SshShell(server.identity, host="127.0.0.1", port=port, connect_timeout_s=0.3)
        assert "did not answer" in endpoint_error(shell)


def test_eight_threads_run_commands_at_once(tmp_path: Path) -> None:
    arrived: list[Process] = []

    async def meet(process: Process) -> None:
        arrived.append(process)
        while len(arrived) < 8:
            await asyncio.sleep(0.01)
        await says("met")(process)

    with serving(tmp_path, meet) as server, ThreadPoolExecutor(8) as pool:
        shell = shell_of(server)
        results = list(pool.map(lambda _: shell.run(AT, SCRIPT).stdout.reveal(), range(8)))
    assert results == ["met"] * 8
