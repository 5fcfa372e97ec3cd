"""A running server takes each file that is written in place of the one before."""

import dataclasses
import subprocess
import urllib.error
import urllib.request

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.apis import model_pb2
from tensorflow_serving.config import model_server_config_pb2

from keras_attn.serving.deploy import DeployOptions, write_deployment
from keras_attn.serving.deploy.files import deployment_files
from keras_attn.serving.local_server import model_versions
from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.model_versions import ModelVersions
from keras_attn.serving.local_server.models import Models
from keras_attn.serving.local_server.server import LocalServer


@pytest.fixture
def base(tmp_path):
    for number in (3, 4, 5):
        (tmp_path / "translator" / str(number)).mkdir(parents=True)
    return tmp_path / "translator"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def deploy(base, out):
    """Writes a deployment with `--force`; returns what it serves."""

    def deploy(versions=(), labels=None, **options):
        wanted = DeployOptions(base, versions=versions, labels=labels or {})
        _, step = write_deployment(wanted, out, force=True, **options)
        written = (out / "models.config").read_text()
        assert written == deployment_files(step, out)["models.config"]
        assert written in (out / "kubernetes/configmap.yaml").read_text().replace(
            "\n    ", "\n"
        )
        return step

    return deploy


class Version:
    """Stands for a loaded SavedModel."""

    def __init__(self, folder):
        self.folder = folder

    def close(self):
        pass


class Server:
    """Takes `models.config` as TensorFlow Serving does. No TensorFlow runs."""

    def __init__(self, base):
        self.base = base
        self.models = Models(
            lambda name: ModelVersions(name, None, Version), roots=[base]
        )

    def take(self, text):
        config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
        (model,) = config.model_config_list.config
        model.base_path = str(self.base)
        self.models.reload(self.models.read_configs(config), lambda: False)

    def version(self, label):
        spec = model_pb2.ModelSpec(name="translator", version_label=label)
        with self.models.lease(spec) as (number, _):
            return number


def test_a_label_moves_in_two_steps(deploy, base, out, monkeypatch):
    monkeypatch.setattr(model_versions, "return_freed_memory", lambda: None)
    server = Server(base)
    deploy((3,))
    server.take((out / "models.config").read_text())
    deploy((3,), {"stable": 3})
    server.take((out / "models.config").read_text())

    wanted = DeployOptions(base, versions=(4,), labels={"stable": 4})
    with pytest.raises(RequestError, match="not currently available for inference"):
        server.take(deployment_files(wanted, out)["models.config"])  # in one step

    step = deploy(wanted.versions, wanted.labels)
    assert step == dataclasses.replace(wanted, versions=(3, 4), labels={"stable": 3})
    server.take((out / "models.config").read_text())
    assert server.version("stable") == 3
    assert deploy(wanted.versions, wanted.labels) == wanted
    server.take((out / "models.config").read_text())
    assert server.version("stable") == 4


def test_what_a_server_takes_at_once_is_one_step(deploy):
    assert deploy((3,), {"stable": 3}).labels == {"stable": 3}
    # A new label may come with its version; a version without a label may go.
    labels = {"stable": 3, "canary": 4}
    assert deploy((3, 4), labels).labels == labels
    assert deploy((4, 5), {"stable": 4, "canary": 4}).versions == (4, 5)


def test_each_label_waits_for_its_own_version(deploy):
    deploy((3, 4), {"stable": 3, "canary": 4})
    step = deploy((4, 5), {"stable": 4, "canary": 5})
    assert (step.versions, step.labels) == ((4, 5), {"stable": 4, "canary": 4})


def test_a_label_waits_until_the_server_has_its_version(deploy):
    deploy((3,), {"stable": 3})
    for available in ([3], [3], [3, 4]):
        step = deploy((4,), {"stable": 4}, available=available)
        assert step.labels == {"stable": max(available)}


def test_no_label_is_dropped_silently(deploy, out):
    deploy((3, 4), {"stable": 3, "canary": 4})
    before = (out / "models.config").read_bytes()
    with pytest.raises(
        ValueError, match=r"while .*config has canary=4, stable=3\..*--"
    ):
        deploy()
    with pytest.raises(ValueError, match=r"canary=4.*--drop-label canary"):
        deploy((3,), {"stable": 3})
    with pytest.raises(
        ValueError, match=r"given to a version or dropped.*\['canary'\]"
    ):
        deploy((3,), {"stable": 3, "canary": 3}, drop_labels=["canary"])
    assert (out / "models.config").read_bytes() == before
    for _ in range(2):  # the command may be given again
        step = deploy((3,), {"stable": 3}, drop_labels=["canary"])
        assert step.labels == {"stable": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mine", "must be a ModelServerConfig.*models.config: 1:5"),
        ("\xff", "must be a ModelServerConfig.*models.config: .*codec"),
        ("", r"must serve 'translator' alone.*with \[\]"),
        (
            'model_config_list { config { name: "translator" } config { name: "b" } }',
            r"must serve 'translator' alone.*\['translator', 'b'\]",
        ),
    ],
)
def test_a_file_of_another_kind_is_not_replaced(deploy, out, text, message):
    out.mkdir()
    (out / "models.config").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=message):
        deploy((3,), {"stable": 3})
    assert [path.name for path in out.iterdir()] == ["models.config"]


def test_a_file_with_settings_of_its_own_is_read(deploy, out):
    out.mkdir()
    (out / "models.config").write_text(
        "# by hand\nmodel_config_list: { config: {\n name: 'translator' logging_config "
        "{ sampling_config { sampling_rate: 0.1 } } version_labels { key: 'a' value: 3 "
        "} model_version_policy { all {} } } }"
    )
    step = deploy((4,), {"a": 4})
    assert (step.versions, step.labels) == ((3, 4), {"a": 3})


def test_probes_fail_when_nothing_is_served(publish, models_dir, tmp_path):
    publish(1, models_dir)
    with LocalServer(models_dir, threads=1, rest_port=0, poll_seconds=600) as server:
        server.start()
        _, port = server.rest_address.split(":")
        files = deployment_files(
            DeployOptions(models_dir, rest_port=int(port)), tmp_path
        )
        compose = yaml.safe_load(files["compose.yaml"])
        kind, *command = compose["services"]["translator"]["healthcheck"]["test"]
        assert kind == "CMD"
        deployment = yaml.safe_load(files["kubernetes/deployment.yaml"])
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        path = container["readinessProbe"]["httpGet"]["path"]
        url = f"http://{server.rest_address}{path}"

        assert subprocess.run(command, check=False).returncode == 0
        assert urllib.request.urlopen(url).status == 200
        (models_dir / "1").rename(models_dir / ".withdrawn-1")
        server.models.refresh()
        assert subprocess.run(command, check=False).returncode != 0
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url)
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0
