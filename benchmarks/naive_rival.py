"""The naive design beside ours: one run an instance, a process an op, the build waited for in it.

It runs on the same machine, against the same local Lagoon (5 s builds), through the same clients.
What favours the rival: it has no database, no leases, no intake, no webserver; its signups are
files; its sensor is as quick and its queue looked at as often as ours; it asks Lagoon less; of four
and eight runs at once the better counts; its start is not counted. What does not: Dagster's default
executor and one op a stage, which is what the issue calls naive. Its 20 signups are stated as a
rate; more would be no quicker, since what bounds it is the processes it starts.
"""

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks import naive, signups, stacks
from benchmarks.figures import Figure, plain, times_as_fast
from benchmarks.plan import Plan
from polydock_pipelines.cli.stack import free_port, is_open, tool

AT_ONCE = (4, 8)
TIMES_AS_FAST = 10
GIVE_UP_S = 900.0


def measure(plan: Plan) -> list[Figure]:
    """Return the rival's rate, and ours beside it when the burst was measured."""
    count = plan.sizes.naive
    rates = {at_once: _rate(count, at_once) for at_once in AT_ONCE}
    best = max(rates.values())
    name = f"naive design, {count} signups at once: rate"
    found = [plain(f"{name}, {n} runs at once", rate, "instances/s") for n, rate in rates.items()]
    ours = plan.results.value(signups.rate_name(plan.sizes.burst))
    if ours is None:
        print("    no rate of ours to hold it against: measure the burst first")
        return found
    beside = f"{signups.rate_name(plan.sizes.burst)}, beside the naive design"
    return [*found, times_as_fast(beside, ours, "instances/s", best, TIMES_AS_FAST)]


def _rate(count: int, at_once: int) -> float:
    with stacks.temporary_home() as home, stacks.simulator(home) as (_, lagoon):
        folder = home / "naive"
        for part in ("signups", "claimed", "dagster"):
            (folder / part).mkdir(parents=True)
        env = {
            **stacks.clean_environment(),
            **lagoon,
            "POLYDOCK_HOME": str(home),
            "DAGSTER_HOME": str(folder / "dagster"),
            "NAIVE_FOLDER": str(folder),
            "NAIVE_RUNS_AT_ONCE": str(at_once),
        }
        with _dagster(folder, env):
            seconds = _claim_all(folder, count)
    print(f"    {at_once} runs at once: {count} in {seconds:.0f} s", flush=True)
    return count / seconds


def _claim_all(folder: Path, count: int) -> float:
    """Sign up *count* at once; return the seconds until the last was claimed."""
    began = time.time()
    for number in range(count):
        (folder / "signups" / f"naive-{number:03}").touch()
    while len(claims := list((folder / "claimed").iterdir())) < count:
        if time.time() - began > GIVE_UP_S:
            raise RuntimeError(f"the naive design claimed {len(claims)} of {count}")
        time.sleep(0.5)
    return max(float(claim.read_text()) for claim in claims) - began


@contextmanager
def _dagster(folder: Path, env: Mapping[str, str]) -> Generator[None]:
    """Run a code server and a daemon, as we do; without a webserver, which it does not need."""
    home, port = folder / "dagster", free_port()
    source = Path(naive.__file__).parent
    (home / "dagster.yaml").write_text((source / "dagster.yaml").read_text())
    workspace = home / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {port}\n"
        "      location_name: naive\n"
    )
    code = [tool("dagster"), "api", "grpc", "-m", "benchmarks.naive.definitions"]
    code += ["-h", "127.0.0.1", "-p", str(port), "--location-name", "naive"]
    env = {**env, "PYTHONPATH": str(source.parent.parent)}
    server = stacks.launch(code, env, folder / "code.log")
    try:
        stacks.until(lambda: is_open(port), stacks.READY_WITHIN_S, server, folder / "code.log")
        made = stacks.launch([tool("dagster"), "instance", "migrate"], env, folder / "migrate.log")
        made.wait(stacks.READY_WITHIN_S)
        argv = [tool("dagster-daemon"), "run", "-w", str(workspace)]
        daemon = stacks.launch(argv, env, folder / "daemon.log")
        try:
            log = folder / "daemon.log"
            stacks.until(
                lambda: "Instance is configured" in log.read_text(),
                stacks.READY_WITHIN_S,
                daemon,
                log,
            )
            yield
        finally:
            stacks.stop(daemon)
    finally:
        stacks.stop(server)
