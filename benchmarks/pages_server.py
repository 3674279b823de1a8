"""Airflow's API server with the pages alone, in a process of its own: ``python -m benchmarks.pages_server PORT``."""

from __future__ import annotations

import sys


def main(port: int) -> None:
    """Serve until a signal."""
    import uvicorn
    from airflow.api_fastapi.app import cached_app

    uvicorn.run(cached_app(apps="core"), host="127.0.0.1", port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))
