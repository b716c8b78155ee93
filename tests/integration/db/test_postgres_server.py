from pathlib import Path

import psycopg2
import pytest

from tests import postgres
from tests.makers import instance_row, new_instance


@pytest.mark.parametrize(
    "source", [postgres.distribution_binaries, postgres.bundled_binaries], ids=lambda s: s.__name__
)
def test_postgres_starts_from_either_source_of_binaries_and_stops(source) -> None:
    binaries: Path | None = source()
    if binaries is None and source is postgres.distribution_binaries:
        pytest.skip("this machine has no Postgres of its distribution; the bundled one serves")
    with postgres.running_postgres(binaries) as server:
        name = server.create()
        assert server.version >= 150000
        assert name in server.url(name)
        server.drop(name)
        port = server.port
    with pytest.raises(psycopg2.OperationalError):
        postgres._connect(port)


def test_x(database):
    assert instance_row(database, new_instance(database)).status == "pending-pre-create"
