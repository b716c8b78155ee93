"""`polydock register` and `polydock registrations …`."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer
from pydantic import ValidationError

from polydock_pipelines.actions.launch import launch_provisioning
from polydock_pipelines.actions.list_registrations import list_registrations
from polydock_pipelines.actions.register import Registered, Signup
from polydock_pipelines.actions.register import register as take
from polydock_pipelines.cli.failing import BAD_USAGE, fail
from polydock_pipelines.cli.output import opened, print_json, print_pairs, print_table
from polydock_pipelines.db.database import Database
from polydock_pipelines.intake.app import simulation_of
from polydock_pipelines.intake.schemas import FIELD_PREFIX, RegisterBody, sentence
from polydock_pipelines.lifecycle.fields import FieldError
from polydock_pipelines.settings import settings
from polydock_pipelines.wiring import open_launcher

app = typer.Typer(no_args_is_help=True, help="Look at registrations.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(
    email: Annotated[str, typer.Option(help="The person's address.")],
    first_name: Annotated[str, typer.Option(help="First name.")],
    last_name: Annotated[str, typer.Option(help="Last name.")],
    app_uuid: Annotated[str, typer.Option("--app", help="The uuid of the store app.")],
    company: Annotated[str, typer.Option(help="Company.")] = "",
    accept_aup: Annotated[
        bool, typer.Option("--accept-aup", help="The person accepted AUP and privacy policy.")
    ] = False,
    opt_in: Annotated[
        bool, typer.Option("--opt-in", help="The person wants product news.")
    ] = False,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            help="NAME=VALUE for a field of the app's type, as often as need be; NAME=env:VARIABLE "
            "takes the value from the environment, so that a secret is not seen by others.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Register a person for a trial, as the API would."""
    body = {
        "register_type": "REQUEST_TRIAL",
        "email": email,
        "first_name": first_name,
        "last_name": last_name,
        "trial_app": app_uuid,
        "aup_and_privacy_acceptance": int(accept_aup),
        "opt_in_to_product_updates": opt_in,
        "company_name": company,
    }
    body |= {f"{FIELD_PREFIX}{name}": value for name, value in map(_field, fields or [])}
    signup = _signup(body)
    with opened() as db:
        chosen = settings()
        now = chosen.make_clock().now()
        taken = _taken(db, signup, now)
        if taken.instance_uuid is not None:
            with open_launcher(chosen) as launcher:
                launch_provisioning(db, launcher, now)
        (line,) = list_registrations(db, uuid=taken.uuid)
    if as_json:
        print_json(taken)
    if taken.status == "failed":
        fail(f"{taken.uuid} failed: {line.result}")
    if not as_json:
        sys.stdout.write(f"{taken.uuid} is {taken.status}\n")
        sys.stdout.write(f"See how it goes: polydock registrations show {taken.uuid}\n")


def _signup(body: Mapping[str, object]) -> Signup:
    try:
        return replace(RegisterBody.model_validate(body).signup(), is_public=False)
    except ValidationError as error:
        fail(sentence(error), BAD_USAGE)


def _taken(db: Database, signup: Signup, now: datetime) -> Registered:
    try:
        return take(db, signup, now, simulation=simulation_of(settings()))
    except FieldError as error:
        fail(str(error), BAD_USAGE)


def _field(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or value == "env:":
        fail("--field: expected NAME=VALUE or NAME=env:VARIABLE", BAD_USAGE)  # it may be a secret
    if not value.startswith("env:"):
        return name, value
    variable = value.removeprefix("env:")
    if not os.environ.get(variable):
        fail(f"--field {name}: {variable} is not set in the environment", BAD_USAGE)
    return name, os.environ[variable]


@app.command("list")
def list_(
    status: Annotated[str, typer.Option(help="Only this status.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 100,
    as_json: Json = False,
) -> None:
    """List registrations, the newest first."""
    with opened() as db:
        lines = list_registrations(db, status=status or None, limit=limit)
    if as_json:
        print_json(lines)
        return
    rows = [(r.uuid, r.type, r.status, r.email, r.instance, r.created_at, r.result) for r in lines]
    columns = ("uuid", "type", "status", "email", "instance", "at", "result")
    print_table(columns, rows, "No registrations yet.")


@app.command()
def show(
    uuid: Annotated[str, typer.Argument(help="The registration's uuid.")], as_json: Json = False
) -> None:
    """Show one registration: what was asked for, and what it came to."""
    with opened() as db:
        lines = list_registrations(db, uuid=uuid)
    if not lines:
        fail(f"there is no registration {uuid}; `polydock registrations list` shows them")
    line = lines[0]
    if as_json:
        print_json(line)
        return
    print_pairs(
        {"uuid": line.uuid, "type": line.type, "status": line.status, "email": line.email}
        | {"instance": line.instance, "instance status": line.instance_status}
        | {"result": line.result, "at": line.created_at}
    )
    sys.stdout.write("\nAsked for\n")
    print_pairs({name: value for name, value in line.request.items() if value not in ("", None)})
