"""How the SDK for Python and the AWS CLI spell what the service models name."""

from typing import Final

from botocore import xform_name

#: A service as the SDK's clients are called in our examples.
CLIENTS: Final = {
    "personalize": "personalize",
    "personalize-events": "events",
    "personalize-runtime": "runtime",
}


def python_name(name: str) -> str:
    """Return an operation's method: ``CreateDataset`` is ``create_dataset``."""
    return str(xform_name(name))


def option_name(name: str) -> str:
    """Return an operation's command, or a member's option without its dashes: ``datasetArn`` is ``dataset-arn``."""
    return str(xform_name(name, "-"))
