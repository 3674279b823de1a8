"""The lease that makes one orchestrator a labourer's only one: an item of ``sosw_jobs`` (DESIGN.md "Orchestration").

It keeps the *limit* right. Doubles are excluded without it, by the conditions of `transitions`. No two clocks are
compared: who wants the lease takes it once fence and beat have stood still for the lease's length on its own clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from sosw_airflow.stores.aws_errors import error_code, explain_faults
from sosw_airflow.stores.lease_item import lease_key, read_lease

__all__ = ["LEASE_SECONDS", "Lease"]

#: Seconds without a beat after which another orchestrator may take the lease.
LEASE_SECONDS = 60.0

#: Share of the lease after which its holder sends the next beat, and after which it claims nothing without one.
_BEAT_AFTER, _CLAIM_UNTIL = 0.25, 0.75


@dataclass
class Lease:
    """The lease of one labourer, wanted or held by one orchestrator. Used by one thread.

    :ivar owner: a name for people that no other orchestrator has, see `owner_name`: it recognizes its own record by it.
    :ivar seconds: without a beat, after which the lease can be taken.
    :ivar last_turn: what the holder did last, as `turn_note` writes it. Each beat and the release store it for
        those who watch the labourer; it costs no request.
    :ivar item: the lease's item, as the last request has brought it: what people have ordered is in it.
    """

    dynamodb: Any
    table: str
    labourer_id: str
    owner: str
    seconds: float = LEASE_SECONDS
    clock: Callable[[], float] = time.monotonic
    last_turn: str = ""
    holder: str = field(default="", init=False)
    item: dict[str, Any] = field(default_factory=dict, init=False)
    _fence: int | None = field(default=None, init=False)
    _beaten_at: float = field(default=float("-inf"), init=False)
    _seen: tuple[int, int] | None = field(default=None, init=False)
    _seen_at: float = field(default=0.0, init=False)

    @property
    def held(self) -> bool:
        """This orchestrator holds the lease, as far as it knows."""
        return self._fence is not None

    @property
    def may_claim(self) -> bool:
        """The last beat is young enough that no other orchestrator can hold the lease."""
        return self.held and self.clock() - self._beaten_at < self.seconds * _CLAIM_UNTIL

    def acquire(self) -> bool:
        """Take, keep or renew the lease. False: another orchestrator holds it, see `holder`.

        :raises SoswError: AWS refuses.
        """
        if self.held:
            return self._beat()
        item = self.item = read_lease(self.dynamodb, self.table, self.labourer_id)
        if not item:
            return self._take("attribute_not_exists(job_id)", {}, fence=1)
        fence, beat = _int(item, "fence"), _int(item, "beat")
        self.last_turn = str(item.get("last_turn", {}).get("S", ""))
        self.holder = item.get("owner", {}).get("S", "")
        as_seen = {":fence_seen": _n(fence), ":beat_seen": _n(beat)}
        if not self.holder:
            return self._take(
                "fence = :fence_seen AND beat = :beat_seen AND attribute_not_exists(#owner)", as_seen, fence=fence + 1
            )
        # Its own name: the answer to its request to take or release the lease was lost.
        if self.holder != self.owner and not self._stands_still(fence, beat):
            return False
        return self._take("fence = :fence_seen AND beat = :beat_seen", as_seen, fence=fence + 1)

    def _stands_still(self, fence: int, beat: int) -> bool:
        """Whether the holder has not moved for the lease's length, by this orchestrator's clock."""
        if self._seen != (fence, beat):
            self._seen, self._seen_at = (fence, beat), self.clock()
            return False
        return self.clock() - self._seen_at >= self.seconds

    def release(self) -> None:
        """Let the next orchestrator take it at once. Nothing happens if the lease was lost.

        :raises SoswError: AWS refuses.
        """
        if not self.held:
            return
        fence, self._fence = self._fence, None
        self._update("REMOVE #owner", "fence = :fence", {":fence": _n(fence or 0)}, noted=True)

    # -- requests ------------------------------------------------------------------------------------------------------

    def _beat(self) -> bool:
        begun = self.clock()
        if begun - self._beaten_at < self.seconds * _BEAT_AFTER:
            return True
        values = {":fence": _n(self._fence or 0), ":one": _n(1)}
        if self._update("ADD beat :one", "fence = :fence", values, noted=True):
            self._beaten_at = begun
            return True
        self._fence = None
        self._seen = None
        return False

    def _take(self, condition: str, values: dict[str, Any], *, fence: int) -> bool:
        begun = self.clock()
        # The item outlives every lease; it goes when its table goes. `beat` moves too, so that waiters see the change.
        taken = self._update(
            "SET fence = :fence, #owner = :owner ADD beat :one",
            condition,
            {":fence": _n(fence), ":owner": {"S": self.owner}, ":one": _n(1), **values},
        )
        if taken:
            self._fence, self._beaten_at, self.holder = fence, begun, self.owner
        self._seen = None
        return taken

    def _update(self, expression: str, condition: str, values: dict[str, Any], *, noted: bool = False) -> bool:
        if noted and self.last_turn:
            expression, values = f"SET last_turn = :turn {expression}", {**values, ":turn": {"S": self.last_turn}}
        names = {"#owner": "owner"} if "#owner" in expression + condition else {}
        with explain_faults(action="dynamodb:UpdateItem", resource=self.table, setting="jobs_table"):
            try:
                reply = self.dynamodb.update_item(
                    TableName=self.table,
                    Key=lease_key(self.labourer_id),
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                    **({"ExpressionAttributeNames": names} if names else {}),
                )
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        self.item = reply.get("Attributes", {})
        return True


def _int(item: dict[str, Any], name: str) -> int:
    return int(float(item.get(name, {}).get("N", 0)))


def _n(value: int) -> dict[str, str]:
    return {"N": str(value)}
