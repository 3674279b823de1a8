"""Processes the queue of a labourer: claims tasks, invokes the Lambda function, closes, expires and retries.

Here: the turn of one labourer (read, decide, carry out), the lease that makes one orchestrator a labourer's only one,
limits, health, expiry, and the Lambda function that workers report to (`assistant`). `policy`, `decisions`, `expiry`,
`health` and `pace` are pure.
Not here: putting tasks into the queue (`scheduling`) and reporting how far a job is (`waiting`): both read the same
rows, so they need to know nothing of an orchestrator.
"""
