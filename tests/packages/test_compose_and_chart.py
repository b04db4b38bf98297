"""Compose files and the Helm chart are valid, and say what the image needs."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from sartor.settings import SETTINGS

pytestmark = pytest.mark.skipif(
    find_spec("helm_python") is None or find_spec("kubernetes_validate") is None,
    reason="make test-packages brings the tools",
)
ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "sartor"
COMPOSED = [ROOT / "compose.yaml", ROOT / "deploy" / "compose" / "several.yaml"]
KUBERNETES = ("1.29", "1.34")
SHARED = {
    "shared": {"enabled": True, "secret": "sartor", "storage": "s3://b/p", "s3Endpoint": "http://s3:9000"}
}
MANY: dict[str, Any] = {
    **SHARED,
    "server": {"replicas": 3},
    "environment": {"SARTOR_ACCOUNT": "111122223333"},
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "only", "operator": "Exists"}],
    "volume": {"size": "5Gi", "storageClass": "fast"},
    "podAnnotations": {"a": "b"},
}


def read(file: Path) -> dict[str, Any]:
    import yaml

    return dict(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize("file", COMPOSED, ids=lambda file: file.stem)
def test_a_compose_file_keeps_to_the_specification(file: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", COMPOSED, ids=lambda file: file.stem)
def test_what_runs_of_ours_may_do_little_and_names_settings_that_there_are(file: Path) -> None:
    variables = {setting.variable for setting in SETTINGS}
    ours = [one for one in read(file)["services"].values() if one.get("image") == "sartor"]
    assert ours
    for service in ours:
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert any(volume.endswith(":/data") for volume in service["volumes"])
        named = {name for name in service.get("environment", ()) if name.startswith("SARTOR_")}
        assert named <= variables


def test_helm_lints_the_chart() -> None:
    import helm_python

    for values in ({}, SHARED, MANY):
        found = helm_python.lint(str(CHART), values, strict=True)
        assert [one for one in found["messages"] if one["severity"] > 1] == []
        assert found["errors"] == []


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the resources that Helm makes of the chart."""
    import helm_python
    import yaml

    texts = helm_python.Chart.load(str(CHART)).render(values, name="shop", namespace="there")
    documents = (
        one for name, text in texts.items() if name.endswith(".yaml") for one in yaml.safe_load_all(text)
    )
    return [one for one in documents if one]


@pytest.mark.parametrize("values", [{}, SHARED, MANY], ids=["one pod", "shared", "many"])
def test_what_the_chart_makes_is_what_kubernetes_takes(values: dict[str, Any]) -> None:
    import kubernetes_validate

    made = rendered(values)
    kinds = [f"{one['kind']}/{one['metadata']['name']}" for one in made]
    workers = ["StatefulSet/shop-sartor-worker"] if values else []
    budget = ["PodDisruptionBudget/shop-sartor"] if values is MANY else []
    expected = ["Service/shop-sartor", "ServiceAccount/shop-sartor", "StatefulSet/shop-sartor-server"]
    assert sorted(kinds) == sorted([*expected, *workers, *budget])
    for version in KUBERNETES:
        for one in made:
            kubernetes_validate.validate(one, version, strict=True)


def test_pods_of_the_chart_are_restricted_and_probed() -> None:
    variables = {setting.variable for setting in SETTINGS}
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in rendered(MANY)
        if one["kind"] == "StatefulSet"
    }
    for name, pod in pods.items():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {one["mountPath"] for one in container["volumeMounts"]} == {"/data", "/tmp"}
        assert {one["name"] for one in container["env"]} <= variables
        assert ("livenessProbe" in container) == name.endswith("server")


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": {"replicas": 2}},  # with SQLite
        {"shared": {"enabled": True, "secret": "", "storage": "s3://b"}},
        {"shared": {"enabled": True, "secret": "s", "storage": "/folder"}},
        {"image": {"repository": ""}},
        {"unknown": 1},
        {"environment": {"lower": "x"}},
        {"volume": {"size": "much"}},
    ],
    ids=json.dumps,
)
def test_values_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    import helm_python

    with pytest.raises(helm_python.HelmError):
        helm_python.Chart.load(str(CHART)).validate_schema(wrong)
