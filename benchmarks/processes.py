"""What a stack's processes cost: memory as PSS, processor time with that of ended children."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SIMULATOR = "simulator"
RUN = "run"
CODE_SERVER = "code-server"
# What tells each process of `polydock up`, by words of its command line.
ROLES = {
    CODE_SERVER: ("api", "grpc"),
    SIMULATOR: ("simulate",),
    "intake": ("intake",),
    "webserver": ("dagster-webserver",),
    "daemon": ("dagster-daemon",),
}


@dataclass(frozen=True)
class Share:
    """A sum over all processes of a stack, and the local Lagoon's part of it."""

    everything: float
    simulator: float

    @property
    def ours(self) -> float:
        """Return the sum without the local Lagoon."""
        return self.everything - self.simulator

    def __sub__(self, earlier: "Share") -> "Share":
        """Return what came since *earlier*."""
        return Share(
            self.everything - earlier.everything, max(0.0, self.simulator - earlier.simulator)
        )


def pss_bytes(smaps_rollup: str) -> int:
    """Return the proportional set size: shared pages count once over all who share them."""
    lines = (line.split() for line in smaps_rollup.splitlines())
    return sum(int(words[1]) * 1024 for words in lines if words[:1] == ["Pss:"])


def cpu_seconds(stat: str, ticks_per_s: int = TICKS_PER_S) -> float:
    """Return user and system time of a process and of its children that ended."""
    # A process's name may hold blanks and brackets; the numbers begin behind the last bracket.
    numbers = stat.rpartition(")")[2].split()
    return sum(int(number) for number in numbers[11:15]) / ticks_per_s


def role(command: Iterable[str]) -> str:
    """Return which process of the stack has this command line; others: empty."""
    names = {Path(word).name for word in command}
    return next((name for name, words in ROLES.items() if names.issuperset(words)), "")


def memory(pid: int) -> Share:
    """Return the bytes that a stack takes."""
    return _sum(pid, lambda one: pss_bytes((PROC / str(one) / "smaps_rollup").read_text()))


def cpu(pid: int) -> Share:
    """Return the processor seconds that a stack has spent, runs that ended included."""
    return _sum(pid, lambda one: cpu_seconds((PROC / str(one) / "stat").read_text()))


def _sum(pid: int, measure: Callable[[int], float]) -> Share:
    stack = family(pid)
    simulator = [p for child in stack if named(child) == SIMULATOR for p in family(child.pid)]
    numbers = {process.pid: _or_zero(process.pid, measure) for process in stack}
    return Share(sum(numbers.values()), sum(numbers.get(p.pid, 0.0) for p in simulator))


def _or_zero(pid: int, measure: Callable[[int], float]) -> float:
    with suppress(FileNotFoundError, ProcessLookupError):
        return measure(pid)
    return 0.0


def named(process: psutil.Process) -> str:
    """Return a process's role, if it has one."""
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return role(process.cmdline())
    return ""


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all below it."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def child(pid: int, name: str) -> psutil.Process:
    """Return the process of a stack that has a role."""
    return next(process for process in family(pid) if named(process) == name)


def runs(pid: int) -> list[psutil.Process]:
    """Return the runs at work: the code server's children, without its resource tracker."""
    server = next((p for p in family(pid) if named(p) == CODE_SERVER), None)
    return [p for p in family(server.pid)[1:] if _is_run(p)] if server else []


def _is_run(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return any("spawn_main" in word for word in process.cmdline())
    return False
