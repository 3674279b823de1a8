"""Reports how far a job is: its progress, the poll that follows it, the tolerance for failed tasks.

Here: reading closed tasks at a cost that does not grow with the job, and the decision whether a job is over.
Not here: the wait itself, which the operators, the sensor and the trigger do. `index_set` and `tolerance` are pure.
"""
