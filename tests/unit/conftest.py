"""Unit tests open no network socket."""

from collections.abc import Generator

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.fixture(autouse=True)
def no_sockets() -> Generator[None]:
    """Refuse sockets, save the local pairs that an event loop needs."""
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()
