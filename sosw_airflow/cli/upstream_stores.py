"""sosw's configuration from where its Lambdas read it: the DynamoDB table `config`, or SSM's Parameter Store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sosw_airflow.cli.upstream_files import UpstreamFile
from sosw_airflow.cli.usage import UsageError
from sosw_airflow.exceptions import Fault, InvalidConfiguration
from sosw_airflow.jobs.json_documents import read_object

__all__ = ["SOURCES", "UpstreamStore"]

#: What may stand in the place of a file.
SOURCES = ("dynamodb", "ssm")


@dataclass(frozen=True)
class UpstreamStore:
    """One of both stores.

    :ivar source: one of `SOURCES`.
    :ivar scheduler: name of the Scheduler's configuration: that of its Lambda function and ``_config``.
    :ivar orchestrator: the same of the Orchestrator, which may be missing.
    :ivar table: of DynamoDB.
    :ivar env: sosw's environment, the hash key of the table.
    :ivar region_name: None for boto3's own search.
    :ivar endpoint_url: None for AWS's own.
    """

    source: str
    scheduler: str = "sosw_scheduler_config"
    orchestrator: str = "sosw_orchestrator_config"
    table: str = "config"
    env: str = "production"
    region_name: str | None = None
    endpoint_url: str | None = None

    def read(self) -> UpstreamFile:
        """Both configurations, as a file that has them; one read of the store.

        :raises InvalidConfiguration: there is none of the Scheduler, or a value is not a JSON object.
        :raises SoswError: AWS cannot be asked.
        """
        wanted = {self.scheduler: "scheduler", self.orchestrator: "orchestrator"}
        texts = self._from_dynamodb(wanted) if self.source == "dynamodb" else self._from_ssm(wanted)
        if self.scheduler not in texts:
            problem = f"is not there: name the Scheduler's configuration with --scheduler-name{self._or_its_place()}"
            raise InvalidConfiguration([Fault(self._path(self.scheduler), problem)])
        found = UpstreamFile()
        faults: list[Fault] = []
        for name, kind in wanted.items():
            if name not in texts:
                why = f"is not there, so that all comes from {self.scheduler}; --orchestrator-name names another"
                found.notes.append(f"{self._path(name)}: {why}")
                continue
            try:
                found.documents[kind] = read_object(texts[name], InvalidConfiguration, place=self._path(name))
            except InvalidConfiguration as error:
                faults += error.faults
        if faults:
            raise InvalidConfiguration(faults)
        return found

    def _path(self, name: str) -> str:
        return f"table {self.table}, env {self.env}, {name}" if self.source == "dynamodb" else f"SSM parameter {name}"

    def _or_its_place(self) -> str:
        return ", or the environment with --env" if self.source == "dynamodb" else ""

    def _client(self, service: str) -> Any:
        import boto3
        from botocore.exceptions import InvalidRegionError, NoRegionError

        try:
            return boto3.client(service, region_name=self.region_name, endpoint_url=self.endpoint_url)
        except NoRegionError:
            raise UsageError("no region is known. Fix: name it with --region, or set AWS_DEFAULT_REGION") from None
        except InvalidRegionError as error:
            raise UsageError(f"--region cannot be used: {error}") from None
        except ValueError as error:
            raise UsageError(f"--endpoint-url cannot be used: {error}") from None

    def _from_dynamodb(self, names: Iterable[str]) -> dict[str, str]:
        from sosw_airflow.exceptions import MissingTable

        texts = {}
        try:
            with _explain_faults(action="dynamodb:GetItem", resource=self.table):
                dynamodb = self._client("dynamodb")
                for name in names:
                    key = {"env": {"S": self.env}, "config_name": {"S": name}}
                    item = dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item")
                    if item:
                        # What is not a string is no configuration of sosw's, and is refused as such.
                        texts[name] = item.get("config_value", {}).get("S", "")
        except MissingTable:
            problem = "does not exist in this region: name another with --table or --region"
            raise InvalidConfiguration([Fault(f"table {self.table}", problem)]) from None
        return texts

    def _from_ssm(self, names: Iterable[str]) -> dict[str, str]:
        with _explain_faults(action="ssm:GetParameters", resource=", ".join(names)):
            answer = self._client("ssm").get_parameters(Names=list(names), WithDecryption=True)
        return {parameter["Name"]: parameter["Value"] for parameter in answer["Parameters"]}


@contextmanager
def _explain_faults(*, action: str, resource: str) -> Iterator[None]:
    """As `explain_faults`; credentials come from boto3's own search, and from no Connection."""
    from sosw_airflow.exceptions import MissingCredentials
    from sosw_airflow.stores.aws_errors import explain_faults

    try:
        with explain_faults(action=action, resource=resource):
            yield
    except MissingCredentials as error:
        raise MissingCredentials(detail=error.detail, searched=error.searched, connection=False) from error
