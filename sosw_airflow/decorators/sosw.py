"""``@task.sosw``: turns a function that makes a job into an Airflow task that schedules it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar

from sosw_airflow._compat import DecoratedOperator, call_with_context, task_decorator_factory
from sosw_airflow.operators.sosw import SoswScheduleOperator

__all__ = ["sosw_task"]


class _SoswDecoratedOperator(DecoratedOperator, SoswScheduleOperator):
    """Schedules the job that a function returns.

    :param python_callable: the function; it may ask for parts of the context by their names, as with ``@task``.
    """

    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *SoswScheduleOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **SoswScheduleOperator.template_fields_renderers,
    }
    custom_operator_name = "@task.sosw"
    # The job is known only after the execution has begun: show it then.
    overwrite_rtif_after_execution = True

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, job=None, **kwargs)

    def execute(self, context: Any) -> Any:
        """Call the function and schedule the job that it returns or yields. No templates are rendered in it.

        :raises SoswError: as `SoswScheduleOperator`.
        """
        from sosw_airflow.jobs.lazy_values import plain_job
        from sosw_airflow.operators.without_retry import fail_without_retry

        with fail_without_retry():
            # A generator can be read once, and Airflow shows the job after the execution.
            self.job = plain_job(call_with_context(self.python_callable, self.op_args, self.op_kwargs, context))
        return super().execute(context)


def sosw_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> Any:
    """Turn a function that returns a job into an Airflow task that schedules it.

    The arguments are those of `SoswScheduleOperator`, but for ``job``. Used as ``@task.sosw``.

    :param python_callable: the function.
    """
    # A function annotated with a dict would otherwise have each key of the summary as an XCom of its own.
    kwargs.setdefault("multiple_outputs", False)
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_SoswDecoratedOperator, **kwargs
    )
