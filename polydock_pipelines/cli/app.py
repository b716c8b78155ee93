"""The `polydock` command."""

import typer

from polydock_pipelines.cli import brakes, catalog, database, groups, instances, registrations
from polydock_pipelines.cli.demo import demo
from polydock_pipelines.cli.doctor import doctor
from polydock_pipelines.cli.services import intake, simulate, up
from polydock_pipelines.cli.worker import worker

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Hand out time-limited trials of applications on Lagoon.",
)
app.command()(up)
app.command()(demo)
app.command()(simulate)
app.command()(intake)
app.command()(worker)
app.command()(doctor)
app.command()(brakes.pause)
app.command()(brakes.resume)
app.command()(registrations.register)
app.add_typer(registrations.app, name="registrations")
app.add_typer(instances.app, name="instances")
app.add_typer(groups.app, name="groups")
app.add_typer(catalog.app, name="catalog")
app.add_typer(database.db_app, name="db")
app.add_typer(database.keys_app, name="keys")


def main() -> None:
    """Run the command."""
    app()
