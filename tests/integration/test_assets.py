"""Assets of the scheme `sosw`."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from sosw_airflow.assets import create_asset, sanitize_uri


def test_an_asset_is_the_queue_of_a_labourer() -> None:
    """By its name, whose capitals count, as those of a Lambda function do."""
    assert create_asset(labourer="Pull_Hashtags").uri == "sosw://Pull_Hashtags"


def test_the_uri_is_known_to_airflow() -> None:
    """A trailing slash is the same asset: Airflow asks the provider, which is installed here."""
    from sosw_airflow._compat import asset_class

    assert asset_class()("sosw://worker/").uri == "sosw://worker"


@pytest.mark.parametrize("uri", ["sosw://", "sosw:///worker", "sosw://worker/job", "sosw://worker?x=1"])
def test_what_is_no_queue(uri: str) -> None:
    """Said where the DAG file is parsed."""
    with pytest.raises(ValueError, match="An asset of sosw is sosw://<labourer>"):
        sanitize_uri(urlsplit(uri))
