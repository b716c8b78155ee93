"""`polydock keys rotate`: after it the old key can go."""

from base64 import urlsafe_b64encode
from threading import Thread

import pytest
from sqlalchemy import select

from polydock_pipelines.actions import rotate_keys as module
from polydock_pipelines.actions.rotate_keys import rotate_keys
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.fields import write_field
from polydock_pipelines.db.holdings import keep
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import FieldValue, Store, Variable
from polydock_pipelines.db.places import SEALED, deploy_key
from polydock_pipelines.db.vault import Vault, VaultError, new_key
from polydock_pipelines.lifecycle.secret import Secret
from tests.integration.actions.tables import dump
from tests.makers import VAULT, make_instance_row, make_store, make_store_app, make_variable

OLD = VAULT
OLD_KEY = urlsafe_b64encode(b"a key for tests of 32 bytes long").decode()


@pytest.fixture
def keys(database: Database) -> tuple[Vault, Vault]:
    """Fill every sealed column; return vaults of both keys and of the new one alone."""
    with database.write() as session:
        store = make_store(session, deploy_key="a deploy key")
        make_store(session)
        app = make_store_app(session, store)
        make_variable(session, app, "TOKEN", "a token", is_secret=True)
        make_variable(session, app, "TZ", "UTC")
        row = make_instance_row(session, app, login_url="https://a.example.com/once")
        make_instance_row(session, app)
        for owner_type, owner_id in (("store_app", app.id), ("app_instance", row.id)):
            field = FieldValue(owner_type=owner_type, owner_id=owner_id, name="a_key")
            write_field(field, Secret(f"a field of a {owner_type}"), VAULT)
            plain = FieldValue(owner_type=owner_type, owner_id=owner_id, name="plain")
            write_field(plain, "as it is", VAULT)
            session.add_all([field, plain])
        keep(session, row.id, "a_token", Secret("told once"), VAULT)
    key = new_key()
    return Vault([key, OLD_KEY]), Vault([key])


def readable(database: Database, vault: Vault) -> list[str]:
    """Return every secret that *vault* opens."""
    found: list[str] = []
    with database.read() as session:
        for sealed in SEALED:
            for row in session.scalars(select(sealed.model)):
                value = getattr(row, sealed.column)
                if value and (sealed.only_if is None or getattr(row, sealed.only_if)):
                    try:
                        found.append(vault.open(sealed.place(row), value).reveal())
                    except VaultError:
                        continue
    return sorted(found)


EVERYTHING = sorted(
    [
        "a deploy key",
        "a token",
        "https://a.example.com/once",
        "Generated4Tests",
        "Generated4Tests",
        "a field of a store_app",
        "a field of a app_instance",
        "told once",
    ]
)


def test_afterwards_the_new_key_is_enough_and_the_old_one_opens_nothing(
    database: Database, keys: tuple[Vault, Vault]
) -> None:
    both, new = keys
    assert (readable(database, OLD), readable(database, new)) == (EVERYTHING, [])
    database.vault = both
    assert rotate_keys(database) == 8
    assert (readable(database, OLD), readable(database, new)) == ([], EVERYTHING)


def test_only_ciphertext_is_touched(database: Database, keys: tuple[Vault, Vault]) -> None:
    def clear(db: Database) -> list[object]:
        with db.read() as session:
            return [
                *session.scalars(select(Variable.value).where(~Variable.is_secret)),
                *session.scalars(select(FieldValue.value).where(~FieldValue.is_secret)),
                *session.execute(select(Store.name, Store.updated_at).order_by(Store.id)),
                *session.execute(select(AppInstance.id, AppInstance.updated_at).order_by("id")),
            ]

    before = clear(database)
    database.vault = keys[0]
    rotate_keys(database)
    assert clear(database) == before


def test_it_may_be_repeated(database: Database, keys: tuple[Vault, Vault]) -> None:
    database.vault = keys[0]
    assert rotate_keys(database) == rotate_keys(database) == 8
    assert readable(database, keys[1]) == EVERYTHING


def test_without_the_old_key_nothing_changes(database: Database, keys: tuple[Vault, Vault]) -> None:
    before = dump(database)
    database.vault = keys[1]
    with pytest.raises(VaultError, match=r"stores.deploy_key:store-\d+ cannot be decrypted"):
        rotate_keys(database)
    assert dump(database) == before


def test_an_empty_database_has_nothing_to_rotate(database: Database) -> None:
    assert rotate_keys(database) == 0


def test_more_than_a_batch_is_rotated(sqlite_database: Database) -> None:
    number = module.BATCH + 3
    with sqlite_database.write() as session:
        app = make_store_app(session)
        for _ in range(number):
            make_instance_row(session, app)
    assert rotate_keys(sqlite_database) == number


def test_a_secret_written_meanwhile_is_not_lost(
    database: Database, keys: tuple[Vault, Vault]
) -> None:
    database.vault = keys[0]
    rotation = Thread(target=lambda: rotate_keys(database))
    with database.write() as session:
        row = session.scalars(select(Store).where(Store.deploy_key.is_not(None))).one()
        row.deploy_key = database.vault.seal(deploy_key(row), Secret("a newer key"))
        session.flush()
        rotation.start()
        rotation.join(0.5)
    rotation.join(20)
    assert not rotation.is_alive()
    assert "a newer key" in readable(database, keys[1])
