"""A browser, and an Airflow of each line with nothing but its web server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import embedded_aws
from demo.queue import Queue
from demo.settings import ACCESS_KEY, SECRET_KEY
from tests.support.emulators.server_process import free_port

ROOT = Path(__file__).parents[3]
#: Generous: a web server of Airflow takes a minute to start on a busy machine.
PATIENCE = 240.0
CHROMIUM = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1000,1150"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@dataclass(frozen=True)
class Ui:
    """A running web server."""

    url: str
    python: Path
    environment: dict[str, str]

    def airflow(self, *arguments: str) -> None:
        """Run a command of this Airflow."""
        command = [str(self.python), "-m", "airflow", *arguments]
        ended = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def saved(self, conn_id: str, folder: Path) -> dict[str, Any]:
        """A Connection as it is in the database, its extras as a mapping."""
        self.airflow("connections", "export", "--file-format", "json", str(folder / "connections.json"))
        connection: dict[str, Any] = json.loads((folder / "connections.json").read_text())[conn_id]
        return {**connection, "extra": json.loads(connection["extra"])}


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A Chromium with a profile of its own."""
    with chromium(tmp_path / "profile") as driver:
        yield driver


@contextlib.contextmanager
def chromium(profile: Path, *, scripts: bool = True) -> Iterator[Any]:
    """A Chromium.

    :param scripts: pages may run them.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="make test-browser installs it")
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (*CHROMIUM, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    if not scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def aws_url(tmp_path: Path) -> Iterator[str]:
    """The demo's AWS with sosw's tables."""
    aws = embedded_aws.start(tmp_path / "aws")
    Queue(aws.url).create_what_is_missing()
    yield aws.url
    embedded_aws.stop(tmp_path / "aws")


@contextlib.contextmanager
def web_server(
    environment_folder: str,
    home: Path,
    command: list[str],
    setup: list[list[str]],
    *,
    path: str = "",
    variables: Mapping[str, str] | None = None,
) -> Iterator[Ui]:
    """The web server of the Airflow in one of this checkout's environments; PORT in the command is its port.

    :param path: of its base URL.
    :param variables: further ones of its environment.
    """
    python = ROOT / environment_folder / "bin" / "python"
    if not python.exists():
        pytest.skip(f"there is no {environment_folder}")
    port = free_port()
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_", "PYTHON"))},
        "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}{path}",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws", "login": ACCESS_KEY, "password": SECRET_KEY}),
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        **(variables or {}),
    }
    ui = Ui(f"http://127.0.0.1:{port}{path}", python, environment)
    for each in (["db", "migrate"], *setup):
        ui.airflow(*each)
    log = home / "server.log"
    arguments = [str(port) if each == "PORT" else each for each in command]
    with log.open("wb") as written:
        server = subprocess.Popen(
            [str(python), "-m", "airflow", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not _answers(ui.url):
            assert server.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() < deadline, log.read_text()[-4000:]
            time.sleep(0.5)
        yield ui
    finally:
        for each in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, each)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/login/", timeout=10) as answer:  # noqa: S310 - our own server
            return bool(answer.status < 500)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
