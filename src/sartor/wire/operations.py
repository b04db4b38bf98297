"""The 79 operations, from the service models that botocore brings.

The models say everything of a call but its meaning: names, shapes, constraints, protocols and errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, Literal

from botocore.loaders import Loader
from botocore.model import ServiceModel

from sartor.wire.read import Reader, compile_reader
from sartor.wire.write import Writer, compile_writer

SERVICES: Final = ("personalize", "personalize-events", "personalize-runtime")


@dataclass(frozen=True)
class Operation:
    """One operation of one service.

    Attributes:
        name: such as ``CreateDataset``.
        service: the endpoint's name, one of ``SERVICES``.
        protocol: ``json`` is dispatched by target, ``rest-json`` by path.
        path: where it is posted to.
        errors: the HTTP status of each error that it declares, by its code.
        model: botocore's own model, for what is compiled from it.
    """

    name: str
    service: str
    protocol: Literal["json", "rest-json"]
    path: str
    errors: Mapping[str, int]
    model: Any

    @cached_property
    def reader(self) -> Reader:
        """Reads and validates the members of a request."""
        return compile_reader(self.model.input_shape)

    @cached_property
    def writer(self) -> Writer | None:
        """Writes the members of an answer; ``None`` when the answer has no body."""
        return None if self.model.output_shape is None else compile_writer(self.model.output_shape)


@dataclass(frozen=True)
class Operations:
    """Every operation, by what dispatches it.

    Attributes:
        by_target: the json operations by their ``X-Amz-Target``.
        by_path: the rest-json operations by path.
    """

    by_target: Mapping[str, Operation]
    by_path: Mapping[str, Operation]

    @property
    def all(self) -> list[Operation]:
        """Every operation by name."""
        found = [*self.by_target.values(), *self.by_path.values()]
        return sorted(found, key=lambda operation: operation.name)


@cache
def service_models() -> Mapping[str, Mapping[str, Any]]:
    """Return the descriptions of the three services that the installed botocore brings, by service."""
    return models_of(Loader())


def models_of(loader: Loader) -> dict[str, Mapping[str, Any]]:
    """Return the descriptions of the three services that a loader finds, by service."""
    return {service: loader.load_service_model(service, "service-2") for service in SERVICES}


def load() -> Operations:
    """Return the operations of the three services, from botocore's bundled models."""
    by_target: dict[str, Operation] = {}
    by_path: dict[str, Operation] = {}
    for service, described_by in service_models().items():
        model = ServiceModel(described_by, service)
        for name in model.operation_names:
            described = model.operation_model(name)
            operation = Operation(
                name,
                service,
                model.metadata["protocol"],
                described.http["requestUri"],
                {shape.error_code: _status(shape) for shape in described.error_shapes},
                described,
            )
            if operation.protocol == "json":
                by_target[f"{model.metadata['targetPrefix']}.{name}"] = operation
            else:
                by_path[operation.path] = operation
    return Operations(by_target, by_path)


def _status(shape: Any) -> int:
    """Return an error's HTTP status; the control plane's model names none and means 400."""
    return int(shape.metadata.get("error", {}).get("httpStatusCode", 400))
