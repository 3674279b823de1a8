"""The promise "each task exactly once", under crashes, faults and concurrent writers.

`worker` schedules one job in a process of its own, which may be killed at any instant. The tests kill it at every
boundary and at random instants, let two copies of it run at once, and put the fault proxy between it and the emulators.
"""
