"""What the explorer breaks in the code as it is: for each scenario, kinds of broken promises and a schedule for each.

The comments name the rows of the list of defects. Remove the line of what you have fixed; a test says when that is due.
"""

from __future__ import annotations

OPEN: dict[str, dict[str, str]] = {
    "deliver-twice": {
        "never": "deliver-twice A3>B B8>A",  # F1
    },
    "deliver-twice-beside-scheduler": {
        "never": "deliver-twice-beside-scheduler A3>B B7!dies",  # F1
        "twice": "deliver-twice-beside-scheduler A6>B B8>C",  # F2
    },
    "deliver-losing-answers": {
        "twice": "deliver-losing-answers A11!lost A12>B",  # F5
    },
    "schedule-and-deliver": {
        "twice": "schedule-and-deliver A6>B",  # F22
    },
    "deliver-and-invoke": {
        "invoked-twice": "deliver-and-invoke A14!lost",  # F23
    },
    "cancel-delivered": {
        "untrue": "cancel-delivered",  # F9
        "after-cancel": "cancel-delivered A2!dies",  # F6
    },
    "cancel-while-delivering": {
        "untrue": "cancel-while-delivering",  # F9
    },
    "cancel-before-delivering": {
        "untrue": "cancel-before-delivering",  # F9
        "after-cancel": "cancel-before-delivering ^>B B2>A",  # F8
    },
    "cancel-undelivered": {
        "untrue": "cancel-undelivered",  # F9
    },
    "cancel-written": {
        "untrue": "cancel-written A4!lost",  # F19
    },
    "cancel-and-plan-removed": {
        "untrue": "cancel-and-plan-removed ^>B",  # F24
    },
    "cancel-beside-zombie": {
        "after-cancel": "cancel-beside-zombie A3>B B10!dies",  # F10
        "untrue": "cancel-beside-zombie A3>B B10!dies",  # F10
    },
    "kill-schedule": {
        "not-cancelled": "kill-schedule A13>B",  # F21
    },
    "kill-delivery": {
        "not-cancelled": "kill-delivery A4>B",  # F21
    },
    "drain-twice": {
        "raw-error": "drain-twice A3>B B5>A",  # F11
        "twice": "drain-twice A3>B B5>A A5>B",  # F11
    },
    "drain-corrected-file": {
        "user-file": "drain-corrected-file",  # F12
    },
    "repair-and-plan-removed": {
        "mixed": "repair-and-plan-removed A12!dies",  # F14
    },
    "kill-repair": {
        "after-cancel": "kill-repair ^>C",  # F20
        "revived": "kill-repair ^>C",  # F20
    },
    "cancel-while-writing": {
        "untrue": "cancel-while-writing A6>B",  # F24
    },
    "other-table-on-retry": {
        "split": "other-table-on-retry A10!dies",  # F17
    },
    "meta-table-on-retry": {
        "dead-end": "meta-table-on-retry A5!dies",  # F16
        "blames-aws": "meta-table-on-retry A5!dies",  # F16
    },
    "header-expires": {
        "never": "header-expires A10!dies",  # header removed
    },
    "resume-after-cancelled-clear": {
        "nothing-scheduled": "resume-after-cancelled-clear",  # resume of a cancelled generation
    },
    "repair-twice": {
        "dead-end": "repair-twice ^>C C5>B A9>C C12!dies",  # F15
    },
}
