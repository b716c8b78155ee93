"""The `polydock` command. Each command is imported when it is called, and no other.

What `polydock up` starts stays for months: the intake need not hold what the catalogue needs.
"""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

COMMANDS = {
    "up": "up:up",
    "demo": "demo:demo",
    "simulate": "simulate:simulate",
    "intake": "intake:intake",
    "worker": "worker:worker",
    "doctor": "doctor:doctor",
    "pause": "brakes:pause",
    "resume": "brakes:resume",
    "register": "registrations:register",
    "registrations": "registrations:app",
    "instances": "instances:app",
    "groups": "groups:app",
    "emails": "emails:app",
    "catalog": "catalog:app",
    "db": "database:db_app",
    "keys": "database:keys_app",
}
"""Module and name of each command or group of commands, as `polydock --help` lists them."""


class Lazy(TyperGroup):
    """A group that knows the names of its commands, and no more until one is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as click calls it
        """See click: the names, in order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer hides click's types
        """See click: the command of that name, imported now; None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        found = getattr(import_module(f"polydock_pipelines.cli.{module}"), name)
        if isinstance(found, typer.Typer):
            command = typer.main.get_group(found)
        else:
            alone = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
            alone.command(cmd_name)(found)
            command = typer.main.get_command(alone)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Lazy,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def polydock() -> None:
    """Hand out time-limited trials of applications on Lagoon."""


def main() -> None:
    """Run the command."""
    app()
