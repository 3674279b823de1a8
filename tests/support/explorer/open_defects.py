"""What the explorer breaks in the code as it is: for each scenario, kinds of broken promises and a schedule for each.

The comments name the rows of the list of defects. Remove the line of what you have fixed; a test says when that is due.
"""

from __future__ import annotations

OPEN: dict[str, dict[str, str]] = {}
