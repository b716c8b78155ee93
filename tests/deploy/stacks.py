"""A whole stack in processes of its own, as an operator starts it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from polydock_pipelines.cli.stack import free_port
from polydock_pipelines.simulator.addresses import environment
from polydock_pipelines.simulator.options import SimulatorOptions

READY_WITHIN_S = 120.0


APP = "CMS with demo content"
"""Of the example catalogue: one build an instance."""


@dataclass(frozen=True)
class Upped:
    """A `polydock up` that serves."""

    process: subprocess.Popen[str]
    env: Mapping[str, str]
    intake: str
    simulator: str
    webserver: str

    def sign_up(self, people: int) -> int:
        """Sign people up over HTTP; return how many were taken."""
        with httpx.Client(timeout=60) as client:
            regions = client.get(f"{self.intake}/api/regions").json()["data"]["regions"]
            app = next(one["uuid"] for one in regions[0]["apps"] if one["label"] == APP)
            answers = [
                client.post(f"{self.intake}/api/register", json=signup(app, n))
                for n in range(people)
            ]
        return [answer.status_code for answer in answers].count(202)

    def statuses(self) -> list[str]:
        """Return the status of every instance, as the command line tells it."""
        argv = [sys.executable, "-m", "polydock_pipelines.cli", "instances", "list", "--json"]
        told = subprocess.run(argv, env=dict(self.env), capture_output=True, text=True, check=True)
        return [line["status"] for line in json.loads(told.stdout)]

    def state(self, part: str) -> Any:
        """Return a part of the local Lagoon's state."""
        return httpx.get(f"{self.simulator}/_sim/state", timeout=30).json()[part]

    def ours(self, part: str, key: str) -> Counter[str]:
        """Count what is ours in the local Lagoon, by project; two of others stand there."""
        return Counter(one[key] for one in self.state(part) if not one[key].endswith("-website"))


def signup(app: str, number: int) -> dict[str, object]:
    return {
        "register_type": "REQUEST_TRIAL",
        "email": f"person{number}@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "trial_app": app,
        "aup_and_privacy_acceptance": 1,
        "opt_in_to_product_updates": True,
    }


@contextmanager
def upped(variables: Mapping[str, str], log: Path) -> Generator[Upped]:
    """Run `polydock up` on free ports; SIGTERM at the end."""
    ports = {name: free_port() for name in ("", "intake-", "simulator-", "ssh-", "smtp-")}
    options = [word for name, port in ports.items() for word in (f"--{name}port", str(port))]
    base = "http://127.0.0.1"
    env = {**os.environ, **variables, **_addresses(Path(variables["POLYDOCK_HOME"]), ports)}
    argv = [sys.executable, "-m", "polydock_pipelines.cli", "up", *options]
    with log.open("w") as out:
        process = subprocess.Popen(argv, env=env, stdout=out, stderr=out, text=True)
    try:
        until(lambda: "Polydock is up" in log.read_text(), READY_WITHIN_S, log.read_text)
        yield Upped(
            process,
            env,
            f"{base}:{ports['intake-']}",
            f"{base}:{ports['simulator-']}",
            f"{base}:{ports['']}",
        )
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _addresses(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """Return where the stack is, for commands and workers beside it."""
    options = SimulatorOptions(
        home=home / "simulator",
        port=ports["simulator-"],
        ssh_port=ports["ssh-"],
        smtp_port=ports["smtp-"],
    )
    ours = {"POLYDOCK_DAGSTER_URL": ports[""], "POLYDOCK_PUBLIC_URL": ports["intake-"]}
    return environment(options) | {name: f"http://127.0.0.1:{port}" for name, port in ours.items()}


def until(
    is_so: Callable[[], object],
    patience_s: float,
    what: Callable[[], object] = lambda: "",
    every_s: float = 0.5,
) -> None:
    """Wait until something is so; *what* tells more when it never is."""
    end = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < end, what()
        time.sleep(every_s)
