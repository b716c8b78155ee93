"""The fields that an app type declares, as a catalogue fills them."""

from collections.abc import Mapping

from polydock_pipelines.apps.app_type import AppType
from polydock_pipelines.catalog.problems import Finding, FindingsError
from polydock_pipelines.catalog.references import is_reference, resolve
from polydock_pipelines.lifecycle.fields import Field
from polydock_pipelines.lifecycle.secret import Secret


def read_fields(
    app_type: AppType, given: Mapping[str, object], env: Mapping[str, str]
) -> dict[str, str | Secret]:
    """Return the values of *given*, secret ones resolved. FindingsError names all that is wrong."""
    known = {field.name: field for field in app_type.store_fields}
    found: list[Finding] = []
    values: dict[str, str | Secret] = {}
    for name, value in given.items():
        if not _is_text(name):
            found.append(Finding([], "expected keys that are text"))
            continue
        try:
            values[name] = _value(known.get(name), value, app_type, env)
        except ValueError as error:
            found.append(Finding([name], str(error)))
    if found:
        raise FindingsError(found)
    return values


def _is_text(name: object) -> bool:
    return isinstance(name, str)  # YAML also has numbers, dates and nothing for keys


def _value(
    field: Field | None, value: object, app_type: AppType, env: Mapping[str, str]
) -> str | Secret:
    if field is None:
        names = ", ".join(one.name for one in app_type.store_fields) or "none"
        raise ValueError(f"is no field of the type {app_type.key}; it has: {names}")
    if field.is_secret:
        secret = resolve(value, env)
        _refuse(field.problem(secret.reveal()))
        return secret
    if not isinstance(value, str):
        raise ValueError("expected text; put numbers, true and false in quotes")  # noqa: TRY004 - collected as ValueErrors
    if is_reference(value):
        raise ValueError("refers to the environment; that is for secret fields only")
    _refuse(field.problem(value))
    return value


def _refuse(problem: str) -> None:
    if problem:
        raise ValueError(problem)


def plain_fields(fields: object) -> dict[str, str]:
    """Return those of an entry's fields that are no secrets."""
    if not isinstance(fields, Mapping):
        return {}
    return {str(name): value for name, value in fields.items() if isinstance(value, str)}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - whatever YAML said
