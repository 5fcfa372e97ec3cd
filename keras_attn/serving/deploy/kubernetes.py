"""Kubernetes: a Deployment, its Service, and what scales and protects it."""

from keras_attn.serving.deploy.options import DeployOptions
from keras_attn.serving.deploy.server_files import (
    CONFIG_DIR,
    METRICS_PATH,
    MODELS_DIR,
    TLS_DIR,
    server_files,
    server_flags,
)

__all__ = ["kubernetes"]

_BUSY_PERCENT = 70
_DRAIN_SECONDS = 5
_NOBODY = 65534


def kubernetes(options: DeployOptions) -> dict[str, dict]:
    """Returns the manifests by the name of their file."""
    return {
        "configmap.yaml": _config_map(options),
        "deployment.yaml": _deployment(options),
        "service.yaml": _service(options),
        "autoscaler.yaml": _autoscaler(options),
        "disruption-budget.yaml": _disruption_budget(options),
    }


def _object(options, version, kind, **parts):
    metadata = {"name": options.name, "labels": _labels(options)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}


def _labels(options):
    return {"app.kubernetes.io/name": options.name}


def _config_map(options):
    """The files that hold no secret; changed, they are read again within a minute."""
    data = {
        path.removeprefix("serving/"): text
        for path, text in server_files(options).items()
        if path.startswith("serving/")
    }
    return _object(options, "v1", "ConfigMap", data=data)


def _deployment(options):
    labels = _labels(options)
    scraped = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(options.rest_port),
        "prometheus.io/path": METRICS_PATH,
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(options)],
        "volumes": [volume for volume, _ in _volumes(options)],
    }
    return _object(
        options,
        "apps/v1",
        "Deployment",
        # No `replicas`: the autoscaler's number must not be undone.
        spec={
            "selector": {"matchLabels": labels},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "template": {
                "metadata": {"labels": labels, "annotations": scraped},
                "spec": pod,
            },
        },
    )


def _container(options):
    served = {"path": f"/v1/models/{options.name}", "port": "rest"}
    return {
        "name": "tensorflow-serving",
        "image": options.image,
        "command": ["tensorflow_model_server"],
        "args": server_flags(options),
        "ports": [
            {"name": "grpc", "containerPort": options.grpc_port},
            {"name": "rest", "containerPort": options.rest_port},
        ],
        # The ports open when a version is loaded and warm: ten minutes for that.
        "startupProbe": {
            "httpGet": served,
            "periodSeconds": 5,
            "failureThreshold": 120,
        },
        "readinessProbe": {"httpGet": served, "periodSeconds": 5},
        "livenessProbe": {"tcpSocket": {"port": "grpc"}, "periodSeconds": 10},
        # Clients are told to go elsewhere before the server stops listening.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(_DRAIN_SECONDS)]}}},
        "resources": {
            "requests": {"cpu": options.cpus, "memory": f"{options.memory_gib}Gi"},
            "limits": {"memory": f"{options.memory_gib}Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": volume["name"], "mountPath": path, "readOnly": True}
            for volume, path in _volumes(options)
        ],
    }


def _volumes(options):
    """Pairs of a volume and where the container finds it."""
    name = options.name
    claim = {"claimName": f"{name}-models", "readOnly": True}
    volumes = [
        (
            {"name": "models", "persistentVolumeClaim": claim},
            f"{MODELS_DIR}/{name}",
        ),
        ({"name": "serving", "configMap": {"name": name}}, CONFIG_DIR),
    ]
    if options.tls is not None:
        secret = {"name": "tls", "secret": {"secretName": f"{name}-tls"}}
        volumes.append((secret, TLS_DIR))
    return volumes


def _service(options):
    """Without an address of its own: a client sees every server, and takes turns.

    Behind one address, all requests of a client would go to the server that its first
    connection reached, since gRPC keeps its connections.
    """
    return _object(
        options,
        "v1",
        "Service",
        spec={
            "clusterIP": "None",
            "selector": _labels(options),
            "ports": [
                {
                    "name": "grpc",
                    "port": options.grpc_port,
                    "targetPort": "grpc",
                    "appProtocol": "grpc",
                },
                {"name": "rest", "port": options.rest_port, "targetPort": "rest"},
            ],
        },
    )


def _autoscaler(options):
    fewest, most = options.replicas
    utilization = {"type": "Utilization", "averageUtilization": _BUSY_PERCENT}
    return _object(
        options,
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        spec={
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": options.name,
            },
            "minReplicas": fewest,
            "maxReplicas": most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": utilization},
                }
            ],
        },
    )


def _disruption_budget(options):
    return _object(
        options,
        "policy/v1",
        "PodDisruptionBudget",
        spec={
            "maxUnavailable": 1,
            "selector": {"matchLabels": _labels(options)},
        },
    )
