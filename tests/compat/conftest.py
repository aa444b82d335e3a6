"""The private world, once a run, and loud refusals where it cannot be."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import httpx
import pytest
from tests.compat import world as worlds
from tests.compat.clients import NodeClient, NotInstallable, PythonClient, SeededHome
from tests.compat.world import World

Install = Callable[[PythonClient], PythonClient]

_told: set[str] = set()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this room is of one kind; known before pytest chooses by `-m`."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.compat)


def skip_loudly(config: pytest.Config, reason: str) -> NoReturn:
    """Skip, and say so on the terminal whatever its settings: a silent skip would look like a pass."""
    if reason not in _told:
        _told.add(reason)
        capture = config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            sys.stderr.write(f"\ncompat: NOT RUN: {reason}\n")
            sys.stderr.flush()
    pytest.skip(reason)


@pytest.fixture(scope="session")
def _world(request: pytest.FixtureRequest) -> Iterator[World | str]:
    reason = worlds.obstacle()
    if reason is not None:
        yield reason
        return
    folder = Path(tempfile.mkdtemp(prefix="civitas-compat-"))
    # The database's own user must be able to enter.
    folder.chmod(0o755)
    made: World | None = None
    try:
        SeededHome(worlds.ROOT).copy_to(folder / "home")
        made = World(folder, folder / "home")
        made.start()
        yield made
    finally:
        if made is not None:
            made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def world(_world: World | str, request: pytest.FixtureRequest) -> World:
    """The running world."""
    if isinstance(_world, str):
        skip_loudly(request.config, f"foreign clients need a private world: {_world}")
    return _world


@pytest.fixture
def install(world: World, request: pytest.FixtureRequest) -> Install:
    """Have a client ready to run, trusting the world's authority."""

    def ready(client: PythonClient) -> PythonClient:
        try:
            world.trust_in(client.install())
        except NotInstallable as error:
            skip_loudly(request.config, str(error))
        return client

    return ready


@pytest.fixture
def install_node(world: World, request: pytest.FixtureRequest) -> Callable[[NodeClient], NodeClient]:
    """Have a client of npm ready to be bundled."""

    def ready(client: NodeClient) -> NodeClient:
        try:
            client.install()
        except NotInstallable as error:
            skip_loudly(request.config, str(error))
        return client

    return ready


@pytest.fixture
def program(world: World, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """The path of a program of the system, or a loud skip."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            skip_loudly(request.config, f"the program {name} is not installed")
        return found

    return find


@pytest.fixture
def site(world: World) -> Iterator[httpx.Client]:
    """civitai.com as a stranger's program sees it; redirects are not followed."""
    with world.browser(headers={"User-Agent": "python-requests/2.31"}) as client:
        yield client
