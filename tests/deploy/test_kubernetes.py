"""The profile of deploy/kubernetes/, as far as that goes without a cluster and without Helm.

Checked: our manifests against Kubernetes' own schemas, of an old and a new version; the instance
file that the chart makes of values.yaml (tests/deploy/chart.py), by opening it on a real Postgres;
the job that the K8s run launcher would send to the cluster for a run; that each secret and variable
that is named exists, that none is written out, and that addresses fit together.

Not checked: the chart's other templates, the image (there is no Docker engine here), network
policies at work, and whatever a cluster decides: admission, rights, scheduling, probes.
"""

import itertools
import re
from collections.abc import Generator, Iterator
from typing import Any

import dagster as dg
import kubernetes_validate
import pytest
import yaml
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import LaunchRunContext
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster_k8s import K8sRunLauncher
from kubernetes.client import ApiClient

from polydock_pipelines.settings import Settings
from tests.deploy import chart
from tests.deploy.profile import ROOT, set_up
from tests.e2e.house import DAGSTERS_WARNINGS, load_definitions
from tests.postgres import running_postgres

pytestmark = DAGSTERS_WARNINGS

PROFILE = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.30", "1.37")
ENV_NAMES = {str(field.validation_alias) for field in Settings.model_fields.values()}
SECRETS = {
    "polydock-secrets": {"POLYDOCK_DATABASE_URL", "POLYDOCK_SECRET_KEYS", "SMTP_URL"},
    "polydock-lagoon-ssh": {"id_ed25519", "known_hosts"},
    "dagster-postgresql-secret": {"postgresql-password"},
}
"""By name, the keys that deploy/kubernetes/README.md tells to put in."""
CONFIG_MAPS = {"polydock-settings", chart.INSTANCE_CONFIG_MAP}
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: nobody, user: {}}]
"""
WRITTEN_OUT = re.compile(r"\s*[\w.-]*(password|(?<!account)token|secret.?keys?)\s*:\s*\S", re.I)
KINDS_OF_REFERENCE = {
    "secretRef": "name",  # pragma: allowlist secret
    "secretKeyRef": "name",  # pragma: allowlist secret
    "secret": "secretName",  # pragma: allowlist secret
    "configMapRef": "name",
    "configMap": "name",
}


class FakeCluster:
    """Takes what the launcher sends."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []

    def create_namespaced_job(self, body: object, namespace: str, **_more: object) -> None:
        job = ApiClient().sanitize_for_serialization(body)
        assert namespace == chart.RELEASE
        self.jobs.append(job)


def manifests() -> list[dict[str, Any]]:
    files = [*sorted((PROFILE / "polydock").glob("*.yaml")), PROFILE / "migrate.yaml"]
    found = itertools.chain.from_iterable(yaml.safe_load_all(f.read_text()) for f in files)
    return [one for one in found if one["kind"] != "Kustomization"]


def values() -> chart.Values:
    return yaml.safe_load((PROFILE / "values.yaml").read_text())


def check(manifest: dict[str, Any]) -> None:
    for version in VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Any]]:
    """The job that a run would be, from the chart's instance file on a real Postgres."""
    home = tmp_path_factory.mktemp("kubernetes")
    (home / "kubeconfig").write_text(KUBECONFIG)
    ours = values()
    with running_postgres() as postgres, pytest.MonkeyPatch.context() as patch:
        set_up(postgres)
        patch.setenv("DAGSTER_PG_PASSWORD", "only-for-a-test")
        ours["postgresql"] |= {"postgresqlHost": "127.0.0.1", "service": {"port": postgres.port}}
        file = chart.instance_file(ours)
        file["run_launcher"]["config"] |= {
            "load_incluster_config": False,
            "kubeconfig_file": str(home / "kubeconfig"),
        }
        (home / "dagster.yaml").write_text(yaml.safe_dump(file))
        with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home))) as instance:
            yield launched(instance, ours)


def launched(instance: dg.DagsterInstance, ours: chart.Values) -> dict[str, Any]:
    """Launch a run of provision_instances and return what the cluster was sent."""
    (code,) = ours["dagster-user-deployments"]["deployments"]
    pointer = ModuleCodePointer("polydock_pipelines.definitions", "defs", None)
    repository = RepositoryPythonOrigin(
        "/usr/local/bin/python", pointer, chart.image_of(code), None, chart.container_context(code)
    )
    run = instance.create_run_for_job(
        load_definitions().resolve_job_def("provision_instances"),
        job_code_origin=JobPythonOrigin("provision_instances", repository),
    )
    launcher = instance.run_launcher
    assert isinstance(launcher, K8sRunLauncher)
    cluster = FakeCluster()
    launcher._api_client.batch_api = cluster
    launcher.launch_run(LaunchRunContext(run, workspace=None))
    (job,) = cluster.jobs
    return job


@pytest.mark.parametrize("manifest", manifests(), ids=lambda m: f"{m['kind']}-{m['metadata']}"[:40])
def test_our_manifests_keep_to_the_schemas(manifest: dict[str, Any]) -> None:
    check(manifest)


def test_the_kustomization_names_every_file_beside_it() -> None:
    beside = {file.name for file in (PROFILE / "polydock").glob("*.yaml")}
    named = yaml.safe_load((PROFILE / "polydock" / "kustomization.yaml").read_text())["resources"]
    assert {*named, "kustomization.yaml"} == beside


def test_what_the_values_say_of_the_charts_pods_keeps_to_the_schemas() -> None:
    for pod in chart.pods(values()).values():
        check(pod)


def test_the_values_have_no_field_that_the_chart_does_not_know() -> None:
    for path, known in chart.KNOWN.items():
        part: Any = values()
        for key in filter(None, path.split(".")):
            part = part[key]
        assert set(part) <= known, path


def test_the_instance_is_the_roots_but_for_storage_and_launcher() -> None:
    theirs = chart.instance_file(values())
    root = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    queue = theirs.pop("run_coordinator")["config"]
    assert {key: queue[key] for key in root["run_queue"]} == root.pop("run_queue")
    assert {key: theirs[key] for key in root} == root


def test_a_run_is_a_job_that_keeps_to_the_schemas(job: dict[str, Any]) -> None:
    check(job)
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (code,) = values()["dagster-user-deployments"]["deployments"]
    assert container["image"] == chart.image_of(code)
    assert container["args"][1:5] == ["-m", "dagster", "api", "execute_run"]
    assert container["resources"] == code["resources"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert (job["spec"]["backoffLimit"], spec["restartPolicy"]) == (0, "Never")


def test_a_run_gets_our_settings_and_secrets_by_reference(job: dict[str, Any]) -> None:
    named = references(job)
    assert {("secretRef", "polydock-secrets"), ("configMapRef", "polydock-settings")} <= named
    assert ("secret", "polydock-lagoon-ssh") in named
    assert ("secretKeyRef", "dagster-postgresql-secret") in named
    mounts = job["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert "/etc/polydock/lagoon-ssh" in {mount["mountPath"] for mount in mounts}


def references(part: object) -> set[tuple[str, str]]:
    """Return the secrets and config maps that are named anywhere in *part*, by kind."""
    return set(_references(part))


def _references(part: object) -> Iterator[tuple[str, str]]:
    if isinstance(part, list):
        for one in part:
            yield from _references(one)
    if isinstance(part, dict):
        for key, value in part.items():
            name = KINDS_OF_REFERENCE.get(key)
            if name and isinstance(value, dict) and name in value:
                yield key, value[name]
            yield from _references(value)


def test_every_reference_is_documented() -> None:
    readme = (PROFILE / "README.md").read_text()
    parts = [*manifests(), *chart.pods(values()).values()]
    for kind, name in set().union(*map(references, parts)):
        assert name in (SECRETS if "secret" in kind else CONFIG_MAPS), name
    for name, keys in SECRETS.items():
        assert f"`{name}`" in readme, name
        assert all(f"`{key}`" in readme for key in keys), name


def test_every_variable_exists_and_only_addresses_are_written_out() -> None:
    (settings,) = [one for one in manifests() if one["kind"] == "ConfigMap"]
    assert set(settings["data"]) <= ENV_NAMES
    assert SECRETS["polydock-secrets"] <= ENV_NAMES
    assert not {key for key in settings["data"] if re.search("SECRET|TOKEN|PASSWORD|SMTP", key)}


def test_no_secret_is_written_out() -> None:
    assert not [one for one in manifests() if one["kind"] == "Secret"]
    for file in PROFILE.rglob("*.yaml"):
        for line in file.read_text().splitlines():
            assert not WRITTEN_OUT.match(line), f"{file.name}: {line}"
            assert not re.search(r"://[^/\s]*:[^/\s]*@", line), f"{file.name}: {line}"


def test_addresses_fit_together() -> None:
    ours = values()
    (settings,) = [one for one in manifests() if one["kind"] == "ConfigMap"]
    web, (code,) = ours["dagsterWebserver"], ours["dagster-user-deployments"]["deployments"]
    port = web["service"]["port"]
    assert settings["data"]["POLYDOCK_DAGSTER_URL"] == (
        f"http://{chart.RELEASE}-{web['nameOverride']}:{port}"
    )
    assert web["readinessProbe"]["httpGet"]["port"] == port
    (server,) = web["workspace"]["servers"]
    assert (server["host"], server["port"]) == (code["name"], code["port"])
    policies = {
        one["metadata"]["name"]: one["spec"]["ingress"][0]["ports"][0]["port"]
        for one in manifests()
        if one["kind"] == "NetworkPolicy"
    }
    assert policies == {"polydock-webserver": port, "polydock-code": code["port"]}
