"""AWS clients with the credentials, the region, the endpoint and the settings that the user has configured."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from sosw_airflow.exceptions import Fault, InvalidConfiguration, MissingCredentials
from sosw_airflow.stores.request_meter import RequestMeter

if TYPE_CHECKING:
    from sosw_airflow.config.settings import SoswSettings

__all__ = ["CONNECTIONS", "AwsClients"]

log = logging.getLogger(__name__)

#: Pages in flight, and so connections kept open.
CONNECTIONS = 16

_CONNECT_SECONDS = 5
_READ_SECONDS = 20


@lru_cache(maxsize=4)
def _loader(data_path: str | None) -> Any:
    """One reader of botocore's models for all sessions of a process.

    A session's own parses megabytes of JSON again. In a triggerer that makes Python's garbage collector run over all of
    Airflow, during which the event loop stands still.
    """
    from botocore.loaders import create_loader

    return create_loader(data_path)


class AwsClients:
    """Makes boto3 clients, all of one session.

    What the AWS Connection sets in ``config_kwargs`` comes before this provider's defaults. Two exceptions are logged:
    a client for requests that must not be sent twice never repeats them, and no answer is given up before it can come.

    :param sends_ready: clients write and read JSON themselves, see `sosw_airflow.stores.ready_wire`.
    """

    def __init__(self, settings: SoswSettings, conn_id: str, *, sends_ready: bool) -> None:
        self._settings = settings
        self._conn_id = conn_id
        self._sends_ready = sends_ready
        self._logged: set[str] = set()
        #: Counts what all clients use.
        self.meter = RequestMeter()

    def client(
        self,
        service: str,
        *,
        attempts: int = 10,
        region_name: str | None = None,
        connections: int = CONNECTIONS,
        read_timeout: float | None = None,
    ) -> Any:
        """A boto3 client; `sosw_airflow.hooks.sosw.SoswHook.client` describes the arguments and the errors."""
        from sosw_airflow.stores.object_encryption import encrypt_objects
        from sosw_airflow.stores.ready_wire import use_ready_wire

        settings = self._settings
        with self._explain_faults():
            config = self._config(attempts, connections, read_timeout)
            client = self._session.client(
                service,
                region_name=region_name,
                endpoint_url=settings.endpoint_url or self._aws.conn_config.get_service_endpoint_url(service),
                config=config,
                verify=self._aws.verify,
            )
            self._require_credentials(config)
        if self._sends_ready:
            use_ready_wire(client)
        if service == "s3":
            encrypt_objects(client, settings.server_side_encryption, settings.kms_key_id)
        self.meter.attach(client)
        return client

    @cached_property
    def _aws(self) -> Any:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

        settings = self._settings
        return AwsGenericHook(
            aws_conn_id=settings.aws_conn_id or None, region_name=settings.region_name, client_type="dynamodb"
        )

    @cached_property
    def _session(self) -> Any:
        # One for all clients: with a session of its own each client would read boto3's models again.
        session = self._aws.get_session(region_name=self._settings.region_name)
        core = session._session  # noqa: SLF001 - boto3 has no public way to it
        core.register_component("data_loader", _loader(core.get_config_variable("data_path")))
        return session

    def _config(self, attempts: int, connections: int, read_timeout: float | None) -> Any:
        from botocore.config import Config

        try:
            users = self._aws.config or Config()
        except TypeError as error:  # this botocore does not know an option
            path = f"Connection {self._settings.aws_conn_id}, extra config_kwargs"
            raise InvalidConfiguration([Fault(path, f"cannot be used: {error}")]) from error
        retries = {"mode": "standard", "total_max_attempts": attempts}
        config = Config(
            max_pool_connections=connections,
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=read_timeout or _READ_SECONDS,
            retries={} if self._environment_sets_retries() else retries,
        ).merge(users)
        if read_timeout is not None and config.read_timeout < read_timeout:
            self._log_once(
                f"read_timeout {config.read_timeout} s of the AWS Connection does not apply to requests whose answer "
                f"takes up to {read_timeout} s: calls of functions that are waited for."
            )
            config = config.merge(Config(read_timeout=read_timeout))
        if attempts > 1:
            return config
        if users.retries:
            self._log_once(
                f"retries {users.retries} of the AWS Connection do not apply to requests that must not be sent twice: "
                f"the transactions of pages, which the writer itself repeats, copies of queue files, invocations."
            )
        return config.merge(Config(retries=retries))

    def _log_once(self, text: str) -> None:
        if text not in self._logged:
            self._logged.add(text)
            log.info("%s: %s", self._settings.aws_conn_id, text)

    def _environment_sets_retries(self) -> bool:
        """Whether the environment or the profile says how often a request is repeated."""
        scoped = self._session._session.get_scoped_config()  # noqa: SLF001 - boto3 has no public way to it
        return any(os.environ.get(f"AWS_{name.upper()}") or scoped.get(name) for name in ("max_attempts", "retry_mode"))

    def _require_credentials(self, config: Any) -> None:
        from botocore import UNSIGNED

        if config.signature_version is not UNSIGNED and self._session.get_credentials() is None:
            raise MissingCredentials(detail="Unable to locate credentials", searched=list(self._searched()))

    @contextmanager
    def _explain_faults(self) -> Iterator[None]:
        """Turn what boto3 and Airflow's AWS hook raise for a Connection into this provider's errors."""
        from botocore.exceptions import BotoCoreError, ClientError, InvalidRegionError, NoRegionError

        from sosw_airflow.stores.aws_errors import explain

        aws = f"Connection {self._settings.aws_conn_id}"
        try:
            yield
        except NoRegionError:
            problem = "is missing, and neither the AWS Connection nor the environment has a region"
            fault = Fault(f"Connection {self._conn_id}, extra region_name", problem)
            raise InvalidConfiguration([fault]) from None
        except InvalidRegionError as error:
            raise InvalidConfiguration([Fault(aws, f"has a region that cannot be used: {error}")]) from error
        except (ClientError, BotoCoreError) as error:
            explained = explain(error, action="sts:GetCallerIdentity", resource=f"the AWS {aws}")
            if isinstance(explained, MissingCredentials):
                explained = MissingCredentials(detail=str(error), searched=list(self._searched()))
            raise explained from error
        except (ValueError, NotImplementedError) as error:
            raise InvalidConfiguration([Fault(aws, f"cannot be used: {error}")]) from error

    def _searched(self) -> Iterator[str]:
        """Each place in which credentials were searched, and what it has."""
        conn_id = self._settings.aws_conn_id
        if not conn_id:
            yield "no AWS Connection, since the extra aws_conn_id is empty"
        else:
            yield f"the AWS Connection {conn_id!r} ({'has no keys' if self._aws.conn_config else 'does not exist'})"
        from sosw_airflow.stores.credentials import searched_places

        yield from searched_places()
