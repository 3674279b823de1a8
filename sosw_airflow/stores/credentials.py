"""Where credentials are searched, for the message that there are none."""

from __future__ import annotations

import os

__all__ = ["searched_places"]


def searched_places() -> list[str]:
    """Each place in which boto3 searches, and what it has."""
    key = "AWS_ACCESS_KEY_ID"
    off = os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
    return [
        f"the environment ({key} is {'set' if os.environ.get(key) else 'not set'})",
        f"the profile {os.environ.get('AWS_PROFILE') or 'default'!r} in the files of the AWS CLI",
        f"the role of the pod, container or machine ({'switched off' if off else 'none answers'})",
    ]
