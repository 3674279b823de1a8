"""What the server reads before it forks workers: their code, and what botocore knows of DynamoDB and S3."""

import tests.integration.crashes.worker  # noqa: F401 - for its imports
from tests.support.aws_models import read_once

read_once()
