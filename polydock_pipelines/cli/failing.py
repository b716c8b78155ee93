"""One line on stderr for what a person can mend.

Light: `polydock up` keeps it in memory for months.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

import typer

from polydock_pipelines.cli.stack import StackError
from polydock_pipelines.clock import ClockError
from polydock_pipelines.lifecycle.signs import is_control
from polydock_pipelines.settings import SettingsError

BAD_USAGE = 2


def fail(message: str, code: int = 1) -> NoReturn:
    """Print one line on stderr and leave."""
    sys.stderr.write(f"polydock: {one_line(message)}\n")
    raise typer.Exit(code)


def one_line(text: str) -> str:
    """Return *text* in one line, without what a terminal would obey."""
    return "".join("�" if is_control(sign) else sign for sign in " ".join(text.split()))


@contextmanager
def starting() -> Generator[None]:
    """Turn what may be wrong with settings, files and ports into one line on stderr."""
    try:
        yield
    except SettingsError as error:
        fail(str(error), BAD_USAGE)
    except (ClockError, StackError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or 'a file'}: {error.strerror or error}; see POLYDOCK_HOME")
