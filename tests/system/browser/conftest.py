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
#: The Airflows whose UI is tried, each in the environment that has it.
ENVIRONMENTS = {"3.3": ".venv", "3.1": ".matrix/3.1.8", "2.11": ".venv-2.11"}
CHROMIUM = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1000,1150"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@dataclass(frozen=True)
class Ui:
    """A running web server of a release: a key of `ENVIRONMENTS`."""

    release: str
    url: str
    python: Path
    environment: dict[str, str]

    @property
    def is_airflow_2(self) -> bool:
        """Whether it is one of Flask AppBuilder's."""
        return self.release.startswith("2.")

    def sign_in(self, browser: Any) -> None:
        """Be an administrator. Airflow 3 treats everyone as one here."""
        if not self.is_airflow_2:
            browser.get(f"{self.url}/auth/token/login")
            return
        browser.get(f"{self.url}/login/")
        browser.find_element("id", "username").send_keys("admin")
        browser.find_element("id", "password").send_keys("admin")
        browser.find_element("css selector", "input[type=submit]").click()
        deadline = time.monotonic() + PATIENCE
        while "/login" in browser.current_url:
            assert time.monotonic() < deadline
            time.sleep(0.1)

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
    release: str,
    home: Path,
    *,
    whole: bool = False,
    workers: int = 1,
    path: str = "",
    variables: Mapping[str, str] | None = None,
) -> Iterator[Ui]:
    """The web server of one of the `ENVIRONMENTS`.

    :param whole: with all the other servers of an Airflow.
    :param workers: processes of the web server.
    :param path: of its base URL.
    :param variables: further ones of its environment.
    """
    python = ROOT / ENVIRONMENTS[release] / "bin" / "python"
    if not python.exists():
        pytest.skip(f"there is no {ENVIRONMENTS[release]}")
    port, airflow_2 = free_port(), release.startswith("2.")
    section = "WEBSERVER" if airflow_2 else "API"
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_", "PYTHON"))},
        "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        f"AIRFLOW__{section}__BASE_URL": f"http://127.0.0.1:{port}{path}",
        f"AIRFLOW__{section}__WORKERS": str(workers),
        **(
            {"AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1", "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(port)}
            if airflow_2
            else {
                "AIRFLOW__API__HOST": "127.0.0.1",
                "AIRFLOW__API__PORT": str(port),
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}{path}/execution/",
            }
        ),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws", "login": ACCESS_KEY, "password": SECRET_KEY}),
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        **(variables or {}),
    }
    ui = Ui(release, f"http://127.0.0.1:{port}{path}", python, environment)
    ui.airflow("db", "migrate")
    if airflow_2:
        person = ["--firstname", "A", "--lastname", "B", "--email", "admin@example.com"]
        ui.airflow("users", "create", "--username", "admin", "--password", "admin", "--role", "Admin", *person)
    log = home / "server.log"
    command = "standalone" if whole else "webserver" if airflow_2 else "api-server"
    with log.open("wb") as written:
        server = subprocess.Popen(
            [str(python), "-m", "airflow", command],
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
