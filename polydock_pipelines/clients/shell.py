"""Commands in containers of Lagoon environments, over SSH.

A portal and the older SSH service answer differently, and both say "exit 0" or "exit 1" to their
own failures; here an answer that is not the script's becomes an error. Scripts go over standard
input, since the older service splits a command at blanks. Neither script nor output is ever logged
or part of an error.

    ShellError               no answer of the script's: no access, not started, cut, too slow
    '- ShellEndpointError    the SSH server is away, or not the one we know
"""

import re

from polydock_pipelines.clients.lagoon.ssh import (
    SshAccount,
    SshAnswer,
    SshBrokenError,
    SshDeniedError,
    SshIdentity,
    SshUnreachableError,
    run_command,
)
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import CommandResult, Container, EndpointError, PortError

ENDPOINT = "lagoon-ssh"

# Names of Kubernetes: nothing in them that a shell or the portal could read as something else.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

_EXEC_FAILED = frozenset({253, 254})
_CONNECTION_FAILED = 255
_PORTAL_ERROR = re.compile(
    r"SID: [0-9a-f]+|does not provide shell access|^invalid command: only|invalid exec session"
)
_LEGACY_REFUSALS = (
    (re.compile(r"\bno access to\b"), "the environment is missing, or our key has no access to it"),
    (re.compile(r"^No running pod found\b", re.M), "no pod of the service runs"),
    (re.compile(r"\btook too long to start\b"), "the pod took too long to start"),
)


class ShellError(PortError):
    """The command has no result of its own; repeating it may help."""


class ShellEndpointError(ShellError, EndpointError):
    """The SSH server is away, or its host key is not the known one."""


class SshShell:
    """`ports.Shell` over SSH, each command with a connection of its own; threads may share it.

    `timeout_s` bounds a whole command: waking an idle environment alone takes up to 90 s.
    """

    def __init__(
        self,
        identity: SshIdentity,
        *,
        host: str,
        port: int,
        connect_timeout_s: float = 15.0,
        timeout_s: float = 240.0,
    ) -> None:
        self._identity = identity
        self._host = host
        self._port = port
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s

    def endpoint(self, at: Container) -> str:
        """See `ports.Shell.endpoint`."""
        return f"{ENDPOINT} {at.host or self._host}:{at.port or self._port}"

    def run(self, at: Container, script: str) -> CommandResult:
        """Feed *script* to `sh -s` in the container and wait for its end.

        ShellError also when the key is refused: the portal does not tell a missing environment
        from a missing permission. ShellEndpointError for the server itself.
        """
        command, where = _command(at), f"{at.namespace} (service {at.service})"
        try:
            answer = run_command(
                self._identity,
                SshAccount(at.namespace, at.host or self._host, at.port or self._port),
                command,
                script=script,
                connect_timeout_s=self._connect_timeout_s,
                timeout_s=self._timeout_s,
            )
        except SshUnreachableError as error:
            raise ShellEndpointError(
                f"No command can be run over SSH: {error}.", endpoint=self.endpoint(at)
            ) from None
        except SshDeniedError as error:
            raise ShellError(
                f"SSH to {where} is refused: {error}. The environment does not exist, or the user "
                "of our key is not at least Maintainer of the project."
            ) from None
        except SshBrokenError as error:
            raise ShellError(f"The command in {where} has no end: {error}.") from None
        refusal = _refusal(answer)
        if refusal is not None:
            raise ShellError(f"The command in {where} did not run: {refusal}.")
        return CommandResult(answer.exit_code, Secret(answer.stdout), Secret(answer.stderr))


def _command(at: Container) -> str:
    """Return the portal's command line; `container=` counts only behind `service=`."""
    for kind, name in (
        ("namespace", at.namespace),
        ("service", at.service),
        ("container", at.container),
    ):
        if name is not None and not _NAME.fullmatch(name):
            raise ShellError(f"{name!r} is no name of a {kind}; no command was run.")
    container = f" container={at.container}" if at.container else ""
    return f"service={at.service}{container} sh -s"


def _refusal(answer: SshAnswer) -> str | None:
    """Return why the answer is not the script's; None when it is."""
    code, is_silent = answer.exit_code, not answer.stdout.strip()
    if code in _EXEC_FAILED:
        return f"the SSH portal failed to run it (exit {code}), or the pod did not start in time"
    # A script may end with 255 itself (PHP does); the servers then leave nothing but their line.
    if code == _CONNECTION_FAILED and is_silent and _is_portal_text(answer.stderr):
        return "the SSH server ended it with 255"
    if code == 0 and is_silent and _PORTAL_ERROR.search(answer.stderr):
        return _portal_error(answer.stderr)
    if code == 1:
        text = f"{answer.stdout}\n{answer.stderr}"
        return next((why for pattern, why in _LEGACY_REFUSALS if pattern.search(text)), None)
    return None


def _is_portal_text(stderr: str) -> bool:
    return not stderr.strip() or _PORTAL_ERROR.search(stderr) is not None


def _portal_error(stderr: str) -> str:
    if "does not provide shell access" in stderr:
        return (
            "that SSH server gives out tokens and runs no commands; set the SSH host of the "
            "cluster's own portal on its deploy target in Lagoon"
        )
    if "unknown service" in stderr:
        return "the environment has no such service"
    return "the SSH server reports an error with exit 0"
