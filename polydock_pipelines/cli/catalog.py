"""`polydock catalog …`: what is on offer, from YAML files and back to one."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from polydock_pipelines.actions.apply_catalog import apply_catalog
from polydock_pipelines.actions.export_catalog import export_catalog
from polydock_pipelines.catalog.diff import CatalogDiff, lines
from polydock_pipelines.catalog.problems import CatalogError
from polydock_pipelines.catalog.writing import as_yaml
from polydock_pipelines.cli.failing import BAD_USAGE
from polydock_pipelines.cli.output import opened, print_json
from polydock_pipelines.settings import settings

app = typer.Typer(no_args_is_help=True, help="Stores and apps on offer, as YAML.")


@app.command("apply")
def apply_files(
    files: Annotated[list[Path], typer.Argument(help="Catalogue files.", metavar="FILE")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the changes as JSON.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also name what stays as it is.")
    ] = False,
) -> None:
    """Bring stores and apps to what the files say, and print what that changed."""
    diff = _applied(files, dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, **asdict(diff)})
        return
    sys.stdout.writelines(f"{line}\n" for line in lines(diff, verbose=verbose))
    if dry_run:
        sys.stdout.write("dry run: nothing was written\n")


@app.command("export")
def export(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of YAML.")] = False,
) -> None:
    """Print what is on offer as YAML that `apply` takes; secrets as ${NAME}."""
    with opened() as database:
        document = export_catalog(database)
    if as_json:
        print_json(document)
    else:
        sys.stdout.write(as_yaml(document))


def _applied(files: list[Path], *, dry_run: bool) -> CatalogDiff:
    """Apply, or say what to mend: one line on stderr for each problem."""
    try:
        with opened() as database:
            now = settings().make_clock().now()
            return apply_catalog(database, files, now, os.environ, dry_run=dry_run)
    except CatalogError as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(BAD_USAGE) from None
