"""Every error that an actor of a scenario can end with has a remedy that the explorer carries out."""

from __future__ import annotations

from sosw_airflow import exceptions as errors
from sosw_airflow.exceptions.base import FaultyDocument
from tests.support.explorer.remedies import REMEDIES, remedies_of

#: Errors that no actor of a scenario ends with: `tests/integration/docs/test_every_remedy.py` names their tests.
ELSEWHERE = {
    errors.InvalidConfiguration: "settings are read before the first request",
    errors.UnknownLabourer: "settings are read before the first request",
    errors.ConflictingLabourers: "settings are read before the first request",
    errors.UnknownJobSchema: "settings are read before the first request",
    errors.InvalidJobSchema: "settings are read before the first request",
    errors.InvalidJob: "the jobs of scenarios are right",
    errors.TooManyTasks: "the jobs of scenarios are small",
    errors.TaskTooLarge: "the jobs of scenarios are small",
    errors.MissingSource: "the values of the jobs of scenarios stand in the jobs",
    errors.EmptySource: "the values of the jobs of scenarios stand in the jobs",
    errors.InvalidSource: "the values of the jobs of scenarios stand in the jobs",
    errors.SourceChanged: "the values of the jobs of scenarios stand in the jobs",
    errors.SourceUnreadable: "the values of the jobs of scenarios stand in the jobs",
    errors.SourceNotAllowed: "the values of the jobs of scenarios stand in the jobs",
    errors.QueueFull: "the queues of scenarios are short",
    errors.AccessDenied: "the identity of a scenario may do everything",
    errors.MissingCredentials: "the identity of a scenario may do everything",
    errors.MissingTable: "every table exists",
    errors.MissingBucket: "the bucket exists",
    errors.UnknownJob: "scenarios name jobs that exist",
    errors.DeploymentBroken: "no actor examines",
    errors.JobFailed: "no actor waits",
    errors.JobsFailed: "no actor waits",
    errors.JobTimedOut: "no actor waits",
    errors.TasksLost: "no actor waits",
    errors.TriggererCannotPoll: "no actor waits",
    errors.DeferralLost: "no actor waits",
    errors.LabourersPaused: "orchestrators of scenarios end after a number of turns",
}


def test_each_class_of_errors_has_a_remedy() -> None:
    """Or a reason why no scenario meets it. A message without a remedy fails the scenario in which it occurs."""
    classes = {
        each
        for each in vars(errors).values()
        if isinstance(each, type)
        and issubclass(each, errors.SoswError)
        and each not in (errors.SoswError, FaultyDocument)
    }

    assert {kind for kind, _ in REMEDIES} | ELSEWHERE.keys() == classes
    assert not {kind for kind, _ in REMEDIES} & ELSEWHERE.keys()


def test_an_error_without_a_remedy_has_none() -> None:
    """So that a scenario in which it occurs breaks the promise."""
    assert remedies_of(errors.JobRecordDamaged("It is broken. Fix: pray.")) == ()
