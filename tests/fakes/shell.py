"""Containers that answer as the test says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import CommandResult, Container, PortError

Answer = CommandResult | PortError


def result(stdout: str = "", *, exit_code: int = 0, stderr: str = "") -> CommandResult:
    """Return a CommandResult of plain strings."""
    return CommandResult(exit_code, Secret(stdout), Secret(stderr))


@dataclass(frozen=True)
class ShellCall:
    at: Container
    script: str


class FakeShell:
    """`ports.Shell`.

    `answers` maps a piece of a script (a stage's name, a command) to its answer, or to a list of
    them, one a call, the last of which stays. `run_script` is asked when no piece is found;
    without it the answer is exit 0 and no output. An answer that is an error is raised.
    """

    def __init__(
        self,
        answers: Mapping[str, Answer | Sequence[Answer]] | None = None,
        run_script: Callable[[Container, str], CommandResult] | None = None,
    ) -> None:
        self._answers = {
            piece: [answer] if isinstance(answer, CommandResult | PortError) else list(answer)
            for piece, answer in (answers or {}).items()
        }
        self._run_script = run_script or (lambda _at, _script: result())
        self.calls: list[ShellCall] = []

    @property
    def scripts(self) -> list[str]:
        return [call.script for call in self.calls]

    @property
    def containers(self) -> list[Container]:
        return [call.at for call in self.calls]

    def endpoint(self, at: Container) -> str:
        return f"lagoon-ssh {at.host or 'ssh.example.com'}:{at.port or 22}"

    def run(self, at: Container, script: str) -> CommandResult:
        self.calls.append(ShellCall(at, script))
        for piece, answers in self._answers.items():
            if piece in script:
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                if isinstance(answer, PortError):
                    raise answer
                return answer
        return self._run_script(at, script)
