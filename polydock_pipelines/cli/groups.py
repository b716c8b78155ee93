"""`polydock groups …`: user groups and their owners."""

import sys
from typing import Annotated

import typer

from polydock_pipelines.actions import people
from polydock_pipelines.cli.output import opened, print_json, print_table
from polydock_pipelines.settings import settings

app = typer.Typer(no_args_is_help=True, help="User groups and their owners.")

Slug = Annotated[str, typer.Argument(help="The group's slug.")]
Email = Annotated[str, typer.Argument(help="The person's address.")]


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List groups and their members."""
    with opened() as db:
        groups = people.list_groups(db)
    if as_json:
        print_json(groups)
        return
    rows = [
        (g.slug, g.name, ", ".join(f"{email} ({role})" for email, role in g.members.items()))
        for g in groups
    ]
    print_table(("slug", "name", "members"), rows, "No groups yet; a signup makes one.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    owner: Annotated[str, typer.Option(help="The owner's address.")],
) -> None:
    """Make a group with its first owner."""
    with opened() as db:
        slug = people.create_group(db, name, owner, settings().make_clock().now())
    sys.stdout.write(f"{slug}\n")


@app.command("add-member")
def add_member(
    slug: Slug, email: Email, role: Annotated[str, typer.Option(help="Its role.")] = "member"
) -> None:
    """Add a person to a group."""
    _set_role(slug, email, role)


@app.command("set-role")
def set_role(
    slug: Slug, email: Email, role: Annotated[str, typer.Argument(help="owner, admin, …")]
) -> None:
    """Change a person's role; the last owner stays."""
    _set_role(slug, email, role)


def _set_role(slug: str, email: str, role: str) -> None:
    with opened() as db:
        people.set_role(db, slug, email, role, settings().make_clock().now())
    sys.stdout.write(f"{email} is {role} of {slug}\n")


@app.command()
def transfer(slug: Slug, email: Email) -> None:
    """Make a person the only owner; earlier owners stay as admins."""
    with opened() as db:
        people.transfer(db, slug, email, settings().make_clock().now())
    sys.stdout.write(f"{email} owns {slug}\n")
