"""A whole Airflow with the embedded AWS and the example DAGs, to click through: `make up`."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from demo import embedded_aws
from demo.airflow_home import AirflowHome
from demo.queue import Queue
from demo.settings import LABOURERS, ORCHESTRATED, connections, variables
from demo.workers import Workers

__all__ = ["up"]

#: Share of the tasks that fail, so that there is something to repair.
_FAILURES = 0.05


def up(state: Path, port: int) -> None:
    """Start everything, and stay until a signal ends this process; then everything that was started has ended.

    :param port: of the UI; if it is in use, the next free one is taken.
    """
    with embedded_aws.running(state) as aws:
        queue = Queue(aws.url)
        queue.create_what_is_missing()
        # The others' tasks are done by `Workers`, but doctor asks for their functions, too.
        for labourer_id in LABOURERS:
            queue.create_function(labourer_id, ORCHESTRATED.get(labourer_id, 0))
        airflow = AirflowHome(state)
        print(f"Embedded AWS  {aws.url}: sosw's tables, a bucket, Lambda functions, some of which fail at times")
        airflow.set_up(connections(aws.url), variables())
        port = _free(port)
        with airflow.standalone(port) as server, Workers(queue, set(LABOURERS) - set(ORCHESTRATED), failures=_FAILURES):
            while server.poll() is None and not _answers(port):
                time.sleep(0.5)
            if server.poll() is None:
                print(f"Airflow       http://127.0.0.1:{port} without a login. Switch a DAG on, or trigger it.")
                print("              Ctrl-C ends all of it.")
                server.wait()


def _free(port: int) -> int:
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                port = port + 1 if port < 65_535 else 1024
            else:
                return port


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
