import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from polydock_pipelines.db.vault import Vault, VaultError, new_key
from polydock_pipelines.lifecycle.secret import Secret
from tests.makers import VAULT

PLACE = "stores.deploy_key:eu"


@given(st.text())
def test_what_was_sealed_for_a_place_opens_there(text: str) -> None:
    assert VAULT.open(PLACE, VAULT.seal(PLACE, Secret(text))) == Secret(text)


def test_it_opens_nowhere_else() -> None:
    sealed = VAULT.seal(PLACE, Secret("tiger"))
    with pytest.raises(VaultError, match=f"sealed for {PLACE}") as error:
        VAULT.open("stores.deploy_key:us", sealed)
    assert "tiger" not in str(error.value)


def test_sealing_twice_gives_two_ciphertexts_without_the_secret() -> None:
    first, second = (VAULT.seal(PLACE, Secret("tiger")) for _ in range(2))
    assert first != second
    assert "tiger" not in first


def test_an_old_key_still_opens_and_the_first_one_seals() -> None:
    old, new = new_key(), new_key()
    sealed = Vault([old]).seal(PLACE, Secret("tiger"))
    both = Vault([new, old])
    assert both.open(PLACE, sealed) == Secret("tiger")
    resealed = both.reseal(PLACE, sealed)
    assert Vault([new]).open(PLACE, resealed) == Secret("tiger")


def test_a_lost_key_is_said_in_a_sentence() -> None:
    sealed = Vault([new_key()]).seal(PLACE, Secret("tiger"))
    with pytest.raises(VaultError, match=f"{PLACE} cannot be decrypted: POLYDOCK_SECRET_KEYS"):
        Vault([new_key()]).open(PLACE, sealed)


@pytest.mark.parametrize("sealed", ["", "clear text", "gAAAA", "ü"])
def test_what_is_no_ciphertext_is_said_in_a_sentence(sealed: str) -> None:
    with pytest.raises(VaultError, match="cannot be decrypted"):
        VAULT.open(PLACE, sealed)


def test_something_else_sealed_with_our_key_is_refused() -> None:
    key = new_key()
    with pytest.raises(VaultError):
        Vault([key]).open(PLACE, Fernet(key).encrypt(b"not from seal").decode())


@pytest.mark.parametrize("keys", [[], ["short"], [new_key(), "bad"], ["ü" * 44]])
def test_keys_that_are_none_are_refused_without_showing_them(keys: list[str]) -> None:
    with pytest.raises(VaultError, match="POLYDOCK_SECRET_KEYS") as error:
        Vault(keys)
    assert "short" not in str(error.value)
