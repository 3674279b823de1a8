"""The pytest fixtures of the emulators; `tests/conftest.py` registers this module in `pytest_plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.emulators.ministack_emulator import MinistackMissingError, ministack_server
from tests.support.emulators.moto_emulator import moto_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.emulators.emulator import Emulator


@pytest.fixture(scope="session")
def moto_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Run one moto server for the whole run; it keeps its tables between tests (use `moto_emulator` instead)."""
    with moto_server(tmp_path_factory.mktemp("moto") / "moto.log") as emulator:
        yield emulator


@pytest.fixture(scope="session")
def ministack_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Run one ministack for the whole run; it keeps its tables between tests (use `ministack_emulator` instead)."""
    try:
        with ministack_server(tmp_path_factory.mktemp("ministack") / "ministack.log") as emulator:
            yield emulator
    except MinistackMissingError as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture
def moto_emulator(moto_session: Emulator) -> Emulator:
    """Give moto's server without any tables or buckets."""
    moto_session.reset()
    return moto_session


@pytest.fixture
def ministack_emulator(ministack_session: Emulator) -> Emulator:
    """Give ministack without any tables or buckets."""
    ministack_session.reset()
    return ministack_session


# ministack has an environment of its own, which the fast run does not make: whatever uses it is a slow test.
@pytest.fixture(params=["moto", pytest.param("ministack", marks=pytest.mark.slow)])
def emulator(request: pytest.FixtureRequest) -> Emulator:
    """Give each of the two emulators in turn, without any tables or buckets."""
    chosen: Emulator = request.getfixturevalue(f"{request.param}_emulator")
    return chosen
