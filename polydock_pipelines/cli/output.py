"""How commands speak: tables for people, JSON for programs, one line on stderr for errors."""

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from polydock_pipelines.actions.operate import UnknownInstanceError
from polydock_pipelines.actions.pause import PauseError
from polydock_pipelines.actions.people import GroupError
from polydock_pipelines.actions.preview_mails import UnknownAppError
from polydock_pipelines.cli.failing import BAD_USAGE, fail, one_line
from polydock_pipelines.clock import ClockError
from polydock_pipelines.db import version
from polydock_pipelines.db.database import NO_DATABASE, Database
from polydock_pipelines.db.vault import VaultError
from polydock_pipelines.db.version import SchemaError
from polydock_pipelines.emails.errors import EmailError
from polydock_pipelines.lifecycle.transitions import NotAllowedError
from polydock_pipelines.lifecycle.trials import TrialError
from polydock_pipelines.ports import PortError
from polydock_pipelines.settings import SettingsError
from polydock_pipelines.wiring import open_database

EXPECTED = (
    ClockError,
    EmailError,
    GroupError,
    NotAllowedError,
    PauseError,
    PortError,
    SchemaError,
    SettingsError,
    TrialError,
    UnknownAppError,
    UnknownInstanceError,
    VaultError,
)
"""Errors that are sentences; anything else is a bug and shows its trace."""


@contextmanager
def sentences() -> Generator[None]:
    """Turn expected errors into one line on stderr."""
    try:
        yield
    except SettingsError as error:
        fail(str(error), BAD_USAGE)
    except EXPECTED as error:
        fail(str(error))
    except NO_DATABASE as error:
        fail(f"the database does not answer: {error.orig}; see POLYDOCK_DATABASE_URL")
    except OSError as error:
        fail(f"{error.filename or 'a file'}: {error.strerror or error}; see POLYDOCK_HOME")


@contextmanager
def opened() -> Generator[Database]:
    """Open the database at the version that this code needs, with errors as sentences."""
    with sentences():
        database = open_database()
        try:
            version.require(database)
            yield database
        finally:
            database.close()


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def print_json(value: object) -> None:
    """Print for programs."""
    sys.stdout.write(json.dumps(value, default=_plain, indent=2, ensure_ascii=False) + "\n")


def moment(value: object) -> str:
    """Show a cell: times to the second, nothing for None."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return "" if value is None else one_line(str(value))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Print for people; *empty* says what it means that there is nothing."""
    if not rows:
        sys.stdout.write(f"{empty}\n")
        return
    cells = [[moment(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_folded(columns, cells)
    else:
        _print_lines([columns, *cells])


def _print_folded(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        # Texts, not strings: what people wrote is no markup.
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _print_lines(cells: Sequence[Sequence[str]]) -> None:
    """Print one line a row, for files and pipes: nothing is folded that somebody may search."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def print_pairs(pairs: Mapping[str, Any]) -> None:
    """Print names and values."""
    width = max((len(name) for name in pairs), default=0)
    for name, value in pairs.items():
        sys.stdout.write(f"  {name:<{width}}  {moment(value)}\n")
