"""What Dagster's Helm chart 1.13 makes of our values, as far as tests need it; Helm is not run.

Written after the chart's templates (github.com/dagster-io/dagster, helm/dagster/templates): the
instance file, and the context that a code server gives to the pods of its runs. A chart that
renders otherwise is not noticed here, but by `helm template` (deploy/kubernetes/README.md).
"""

from typing import Any

Values = dict[str, Any]
RELEASE = "polydock"
INSTANCE_CONFIG_MAP = f"{RELEASE}-dagster-instance"

KNOWN: dict[str, set[str]] = {
    "": {
        "global",
        "generatePostgresqlPasswordSecret",
        "generateCeleryConfigSecret",
        "postgresql",
        "dagsterWebserver",
        "dagster-user-deployments",
        "runLauncher",
        "dagsterDaemon",
        "telemetry",
        "retention",
        "additionalInstanceConfig",
    },
    "dagsterWebserver": {
        "nameOverride",
        "image",
        "service",
        "workspace",
        "readinessProbe",
        "livenessProbe",
        "startupProbe",
        "podSecurityContext",
        "securityContext",
        "resources",
    },
    "dagsterDaemon": {
        "enabled",
        "image",
        "runCoordinator",
        "runMonitoring",
        "runRetries",
        "sensors",
        "schedules",
        "livenessProbe",
        "startupProbe",
        "podSecurityContext",
        "securityContext",
        "resources",
    },
    "runLauncher.config.k8sRunLauncher": {
        "imagePullPolicy",
        "loadInclusterConfig",
        "securityContext",
        "runK8sConfig",
        "labels",
    },
    "dagsterDaemon.runCoordinator.config.queuedRunCoordinator": {
        "maxConcurrentRuns",
        "dequeueIntervalSeconds",
        "tagConcurrencyLimits",
    },
}
"""Of the fields that the chart's schema knows, those that we use: a slip is found here."""


def instance_file(values: Values) -> dict[str, Any]:
    """Return the chart's dagster.yaml."""
    daemon = values["dagsterDaemon"]
    config = _postgres(values)
    storages = {
        name: {"module": f"dagster_postgres.{module}", "class": cls, "config": config}
        for name, module, cls in (
            ("run_storage", "run_storage", "PostgresRunStorage"),
            ("event_log_storage", "event_log", "PostgresEventLogStorage"),
            ("schedule_storage", "schedule_storage", "PostgresScheduleStorage"),
        )
    }
    return {
        "scheduler": {"module": "dagster.core.scheduler", "class": "DagsterDaemonScheduler"},
        **storages,
        "run_launcher": _launcher(values),
        "run_coordinator": _coordinator(daemon["runCoordinator"]["config"]["queuedRunCoordinator"]),
        "compute_logs": {
            "module": "dagster.core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        },
        **{
            name: {
                "use_threads": daemon[name]["useThreads"],
                "num_workers": daemon[name]["numWorkers"],
            }
            for name in ("sensors", "schedules")
        },
        "telemetry": values["telemetry"],
        **values["additionalInstanceConfig"],
    }


def _postgres(values: Values) -> Values:
    server = values["postgresql"]
    return {
        "postgres_db": {
            "username": server["postgresqlUsername"],
            "password": {"env": "DAGSTER_PG_PASSWORD"},
            "hostname": server["postgresqlHost"],
            "db_name": server["postgresqlDatabase"],
            "port": server["service"]["port"],
            "params": server["postgresqlParams"],
        }
    }


def _launcher(values: Values) -> Values:
    ours = values["runLauncher"]["config"]["k8sRunLauncher"]
    names = {
        "containerConfig": "container_config",
        "podSpecConfig": "pod_spec_config",
        "podTemplateSpecMetadata": "pod_template_spec_metadata",
        "jobSpecConfig": "job_spec_config",
        "jobMetadata": "job_metadata",
    }
    return {
        "module": "dagster_k8s",
        "class": values["runLauncher"]["type"],
        "config": {
            "load_incluster_config": ours["loadInclusterConfig"],
            "job_namespace": RELEASE,
            "image_pull_policy": ours["imagePullPolicy"],
            "service_account_name": f"{RELEASE}-dagster",
            "dagster_home": values["global"]["dagsterHome"],
            "instance_config_map": INSTANCE_CONFIG_MAP,
            "postgres_password_secret": values["global"]["postgresqlSecretName"],
            "labels": ours["labels"],
            "security_context": ours["securityContext"],
            "run_k8s_config": {names[key]: value for key, value in ours["runK8sConfig"].items()},
        },
    }


def _coordinator(ours: Values) -> Values:
    return {
        "module": "dagster.core.run_coordinator",
        "class": "QueuedRunCoordinator",
        "config": {
            "max_concurrent_runs": ours["maxConcurrentRuns"],
            "tag_concurrency_limits": ours["tagConcurrencyLimits"],
            "dequeue_interval_seconds": ours["dequeueIntervalSeconds"],
            # The chart's defaults.
            "dequeue_use_threads": True,
            "dequeue_num_workers": 4,
        },
    }


def container_context(deployment: Values) -> Values:
    """Return what the code server tells the launcher about the pods of its runs."""
    return {
        "k8s": {
            "image_pull_policy": deployment["image"]["pullPolicy"],
            "env_config_maps": [
                f"{RELEASE}-dagster-user-deployments-{deployment['name']}-user-env",
                *(one["name"] for one in deployment["envConfigMaps"]),
            ],
            "env_secrets": [one["name"] for one in deployment["envSecrets"]],
            "volume_mounts": deployment["volumeMounts"],
            "volumes": deployment["volumes"],
            "resources": deployment["resources"],
            "namespace": RELEASE,
            "service_account_name": f"{RELEASE}-dagster-user-deployments-user-deployments",
            "run_k8s_config": {"pod_spec_config": {"automount_service_account_token": True}},
        }
    }


def image_of(part: Values) -> str:
    """Return an image's name as pods have it."""
    return f"{part['image']['repository']}:{part['image']['tag']}"


def pods(values: Values) -> dict[str, Values]:
    """Return the pods of webserver, daemon and code server: only what our values say of them."""
    deployments = values["dagster-user-deployments"]["deployments"]
    parts = {"webserver": values["dagsterWebserver"], "daemon": values["dagsterDaemon"]}
    return {
        name: _pod(name, part)
        for name, part in (parts | {one["name"]: one for one in deployments}).items()
    }


def _pod(name: str, part: Values) -> Values:
    container = {
        "name": name,
        "image": image_of(part),
        "imagePullPolicy": part["image"]["pullPolicy"],
        "securityContext": part["securityContext"],
        "resources": part["resources"],
        "volumeMounts": part.get("volumeMounts", []),
        "envFrom": [
            *({"configMapRef": one} for one in part.get("envConfigMaps", [])),
            *({"secretRef": one} for one in part.get("envSecrets", [])),
        ],
    }
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        if probe in part:
            health = {"exec": {"command": ["dagster", "api", "grpc-health-check"]}}
            asked = {key: value for key, value in part[probe].items() if key != "enabled"}
            container[probe] = asked if {"exec", "httpGet"} & set(asked) else health | asked
    spec = {
        "containers": [container],
        "securityContext": part["podSecurityContext"],
        "volumes": part.get("volumes", []),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
