"""`polydock demo`: sign people up over HTTP and follow their trials to the login URL."""

import signal
import sys
import time
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from polydock_pipelines.actions.offered import Offered, fields_of, first_trial, shortest_trial
from polydock_pipelines.actions.read_instances import list_instances, tell
from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.cli import demo_removal, demo_trial
from polydock_pipelines.cli.demo_removal import DemoError, progress
from polydock_pipelines.cli.failing import BAD_USAGE, fail
from polydock_pipelines.cli.output import sentences
from polydock_pipelines.cli.ports import IntakePort, SimulatorPort, SmtpPort, SshPort, WebserverPort
from polydock_pipelines.cli.running import Running, running, tell_where, terminate, until_stopped
from polydock_pipelines.cli.stack import Ports, StackError
from polydock_pipelines.db.database import Database
from polydock_pipelines.intake.schemas import FIELD_PREFIX
from polydock_pipelines.lifecycle.table import LIFECYCLE, Kind
from polydock_pipelines.wiring import open_database

WAY = tuple(s for s in LIFECYCLE if s.kind in (Kind.PROVISION, Kind.ACTIVATE))
AT_LEAST_S = 180.0
EXAMPLES = {
    "llm_key": "sk-the-demo-has-no-real-key",
    "llm_url": "https://llm.example.com",
    "openclaw_default_model": "chat",
}
"""What the demo's people say in the fields of an app's type."""


@dataclass(frozen=True)
class Signed:
    """One signup of the demo."""

    uuid: str
    began: float


def demo(
    signups: Annotated[int, typer.Option(min=1, max=2000, help="How many people.")] = 1,
    app_type: Annotated[
        str,
        typer.Option("--app", help="An app of this type, from the signup to its removal."),
    ] = "",
    trial: Annotated[
        bool, typer.Option("--trial", help="A whole trial by a fast calendar, in minutes.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running.")] = False,
    port: WebserverPort = 3000,
    intake_port: IntakePort = 8080,
    simulator_port: SimulatorPort = 9000,
    ssh_port: SshPort = 9022,
    smtp_port: SmtpPort = 9025,
) -> None:
    """Start the stack, sign people up, and follow them to their login URLs.

    With --app on to the removal of their trials. With --trial one person's trial is played to its
    end: every mail, the removal, and the end of its Lagoon project.
    """
    if trial and (app_type or signups != 1):
        fail(
            "--trial plays one trial of an app of its own choice; leave --app and --signups out",
            BAD_USAGE,
        )
    if app_type and app_type not in APP_TYPES:
        known = ", ".join(sorted(APP_TYPES))
        fail(f"{app_type!r} is no app type; there are {known}", BAD_USAGE)
    signal.signal(signal.SIGTERM, terminate)
    ports = Ports(port, intake_port, simulator_port, ssh_port, smtp_port)
    sys.stdout.write("Polydock demo, on a local stand-in for Lagoon. Starting the stack …\n")
    sys.stdout.flush()
    try:
        if trial:
            demo_trial.prepare()
        with sentences(), running(ports, simulate=True) as run:
            tell_where(run)
            if trial:
                _play_trial(run)
            else:
                _play(run, signups, app_type)
            if keep:
                sys.stdout.write("\nLeft running; Ctrl-C stops it.\n")
                sys.stdout.flush()
                until_stopped(run)
    except (StackError, DemoError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.stdout.write("Stopped.\n")


def _play(run: Running, signups: int, app_type: str) -> None:
    database = open_database(run.settings)
    try:
        app = first_trial(database, app_type)
        if app is None:
            raise DemoError(
                f"no app {f'of the type {app_type} ' if app_type else ''}can be tried; see "
                "`polydock catalog apply catalog/example.yaml`"
            )
        sys.stdout.write(f"\nSigning up {signups} for {app.name} over HTTP …\n")
        signed = [_sign_up(run, app, number) for number in range(1, signups + 1)]
        _follow(run, database, signed)
        if len(signed) == 1:
            _tell_login(run, database, signed[0])
        if app_type:
            demo_removal.play(run, database, [_project(run, one.uuid) for one in signed])
    finally:
        database.close()


def _play_trial(run: Running) -> None:
    database = open_database(run.settings)
    try:
        app = shortest_trial(database)
        if app is None:
            raise DemoError("no app has a trial with all five mails; see catalog/example.yaml")
        sys.stdout.write(f"\nSigning up for {app.name} over HTTP …\n")
        signed = _sign_up(run, app, 1)
        _follow(run, database, [signed])
        demo_trial.play(run, database, _project(run, signed.uuid))
    finally:
        database.close()


def _project(run: Running, uuid: str) -> str:
    return _registration(run, uuid)["result_data"]["lagoon_project_name"]


def _sign_up(run: Running, app: Offered, number: int) -> Signed:
    examples = {field.name: EXAMPLES.get(field.name, "") for field in fields_of(app)}
    body: dict[str, Any] = {
        **{f"{FIELD_PREFIX}{name}": value for name, value in examples.items() if value},
        "register_type": "REQUEST_TRIAL",
        "email": f"ada{number}@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "company_name": "Analytical Engines",
        "trial_app": app.uuid,
        "aup_and_privacy_acceptance": 1,
        "opt_in_to_product_updates": True,
    }
    began = time.monotonic()
    answer = httpx.post(f"{run.intake}/api/register", json=body, timeout=30)
    if answer.status_code != httpx.codes.ACCEPTED:
        raise DemoError(f"the signup was refused: {answer.json().get('message')}")
    return Signed(answer.json()["id"], began)


def _registration(run: Running, uuid: str) -> dict[str, Any]:
    return httpx.get(f"{run.intake}/api/register/{uuid}", timeout=10).json()


def _follow(run: Running, database: Database, signed: list[Signed]) -> None:
    """Show the way until everybody is there. DemoError when somebody is not."""
    give_up = time.monotonic() + AT_LEAST_S + len(signed)
    with Live(console=Console(), refresh_per_second=4, transient=False) as live:
        while True:
            states = {s.uuid: _registration(run, s.uuid) for s in signed}
            live.update(_progress(run, database, signed, states))
            ended = [x["status"] for x in states.values() if x["status"] in ("success", "failed")]
            if len(ended) == len(signed):
                break
            if time.monotonic() > give_up or run.stack.dead() is not None:
                raise DemoError(f"it takes too long; look into {run.stack.home / 'logs'}")
            time.sleep(0.5 if len(signed) == 1 else 2)
    if "failed" in ended:
        raise DemoError(
            f"{ended.count('failed')} of {len(signed)} failed; "
            "`polydock instances list --failed` says why"
        )


def _progress(
    run: Running, database: Database, signed: list[Signed], states: dict[str, dict[str, Any]]
) -> Table:
    if len(signed) > 1:
        return _crowd(database, signed, states)
    name = states[signed[0].uuid]["result_data"].get("lagoon_project_name")
    now = run.settings.make_clock().now()
    return progress(tell(database, name, now) if name else None, WAY)


def _crowd(database: Database, signed: list[Signed], states: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    done = sum(state["status"] == "success" for state in states.values())
    seconds = time.monotonic() - signed[0].began
    table.add_row(f"{done} of {len(signed)} claimed", f"{seconds:.0f} s")
    counts: dict[str, int] = {}
    for line in list_instances(database, limit=len(signed)):
        counts[line.status] = counts.get(line.status, 0) + 1
    for status, count in sorted(counts.items()):
        table.add_row(f"  {status}", str(count))
    return table


def _tell_login(run: Running, database: Database, signed: Signed) -> None:
    result = _registration(run, signed.uuid)["result_data"]
    story = tell(database, result["lagoon_project_name"], run.settings.make_clock().now())
    seconds = sum(stage.seconds for stage in story.stages)
    sys.stdout.write(f"\n{result['message']} ({seconds:.0f} s)\n")
    sys.stdout.write(f"  Log in at    {result['app_url']}\n")
    sys.stdout.write(f"  Instance     polydock instances show {result['lagoon_project_name']}\n")
    for run_id in story.runs:
        sys.stdout.write(f"  Run          {run.webserver}/runs/{run_id}\n")
    sys.stdout.write(f"  Partition    {run.webserver}/assets/app_instances\n")
