"""Docker Compose: the server, and Prometheus where it is wanted."""

from keras_attn.serving.deploy.options import DeployOptions
from keras_attn.serving.deploy.server_files import (
    CONFIG_DIR,
    MODELS_DIR,
    TLS_DIR,
    server_flags,
)

__all__ = ["compose"]

_PROMETHEUS = "prom/prometheus:v3.5.0"


def compose(options: DeployOptions) -> dict:
    """Returns the contents of `compose.yaml`."""
    return {
        "name": options.name,
        "services": {
            options.name: _server(options),
            "prometheus": {
                "image": _PROMETHEUS,
                "profiles": ["monitoring"],
                "ports": ["127.0.0.1:9090:9090"],
                "volumes": [_mount("./prometheus", "/etc/prometheus")],
            },
        },
    }


def _server(options):
    ports = (options.grpc_port, options.rest_port)
    volumes = [
        _mount(str(options.models_dir.resolve()), f"{MODELS_DIR}/{options.name}"),
        _mount("./serving", CONFIG_DIR),
    ]
    if options.tls is not None:
        volumes.append(_mount("./tls", TLS_DIR))
    # The image has no curl, but Bash, which opens connections.
    listens = f"exec 3<>/dev/tcp/127.0.0.1/{options.grpc_port}"
    return {
        "image": options.image,
        "entrypoint": ["tensorflow_model_server"],
        "command": server_flags(options),
        # From this machine only.
        "ports": [f"127.0.0.1:{port}:{port}" for port in ports],
        "volumes": volumes,
        "healthcheck": {
            "test": ["CMD", "bash", "-c", listens],
            "interval": "5s",
            "start_period": "60s",
        },
        "cpus": options.cpus,
        "mem_limit": f"{options.memory_gib}g",
        "restart": "unless-stopped",
    }


def _mount(source, target):
    # The long form, since a path may hold a colon, and a missing one is an error.
    source = source.replace("$", "$$")  # else Compose puts a variable there
    return {"type": "bind", "source": source, "target": target, "read_only": True}
