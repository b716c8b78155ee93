"""Facts that a step learnt, each to its column."""

from collections.abc import Collection

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from polydock_pipelines.db.models.instances import AppInstance, PushedVariable
from polydock_pipelines.db.places import login_url
from polydock_pipelines.db.vault import Vault
from polydock_pipelines.lifecycle.outcome import Facts


def learn(session: Session, row: AppInstance, facts: Facts, vault: Vault) -> None:
    """Write the facts that say something, each to its column."""
    for name, value in facts.learnt().items():
        match name:
            case "pushed_variables":
                _remember_pushed(session, row, facts.pushed_variables or frozenset())
            case "login_url":
                row.login_url = (
                    vault.seal(login_url(row), facts.login_url) if facts.login_url else None
                )
            case _:
                setattr(row, name, value)


def _remember_pushed(session: Session, row: AppInstance, names: Collection[str]) -> None:
    known = set(
        session.scalars(select(PushedVariable.name).where(PushedVariable.instance_id == row.id))
    )
    gone = known - set(names)
    session.execute(
        delete(PushedVariable).where(
            PushedVariable.instance_id == row.id, PushedVariable.name.in_(gone)
        )
    )
    session.add_all(
        PushedVariable(instance_id=row.id, name=name) for name in sorted(set(names) - known)
    )
