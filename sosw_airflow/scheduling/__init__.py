"""Puts a job into the queue of a labourer: schedule, repair, drain, deliver, cancel.

Here: the scheduler (plan, header, pages, finish), the page writer and its pace, and what starts or ends a job.
Not here: how far a job is (`waiting`), the tables and objects themselves (`stores`), Connections (`hooks`).
"""
