"""The written files, parsed as their readers parse them, agree with each other."""

import dataclasses
import json
import re
import stat
from pathlib import Path

import pytest
import trustme
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

from keras_attn.serving.deploy import DeployOptions, write_deployment
from keras_attn.serving.deploy.files import deployment_files
from keras_attn.serving.deploy.options import TlsFiles

# tensorflow-serving-api has no classes for these three. From TensorFlow Serving's
# ssl_config.proto, monitoring_config.proto and session_bundle_config.proto.
_MESSAGES = {
    "SSLConfig": "server_key:string server_cert:string custom_ca:string "
    "client_verify:bool",
    "PrometheusConfig": "enable:bool path:string",
    "MonitoringConfig": "prometheus_config:PrometheusConfig",
    "BatchingParameters": "max_batch_size:Int64Value batch_timeout_micros:Int64Value "
    "max_enqueued_batches:Int64Value num_batch_threads:Int64Value "
    "thread_pool_name:StringValue allowed_batch_sizes:int64* "
    "pad_variable_length_inputs:bool",
}


def _message_classes():
    kinds = descriptor_pb2.FieldDescriptorProto
    scalars = {
        "string": kinds.TYPE_STRING,
        "bool": kinds.TYPE_BOOL,
        "int64": kinds.TYPE_INT64,
    }
    file = descriptor_pb2.FileDescriptorProto(
        name="config.proto",
        package="config",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, text in enumerate(fields.split(), 1):
            field_name, kind = text.split(":")
            repeated = kind.endswith("*")
            kind = kind.rstrip("*")
            field = message.field.add(name=field_name, number=number)
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind in scalars:
                field.type = scalars[kind]
            else:
                package = "google.protobuf" if kind.endswith("Value") else "config"
                field.type = kinds.TYPE_MESSAGE
                field.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"config.{name}")
        )
        for name in _MESSAGES
    }


CLASSES = _message_classes()


SERVING = Path(__file__).parents[3] / "serving"


def parse(text, kind):
    return text_format.Parse(text, CLASSES[kind]())


@pytest.fixture
def models_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "translator"
    for number in (3, 4):
        (folder / str(number)).mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    pair = ca.issue_cert("translator.test")
    pair.cert_chain_pems[0].write_to_path(folder / "server.pem")
    pair.private_key_pem.write_to_path(folder / "server.key")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    return TlsFiles(folder / "server.pem", folder / "server.key", folder / "ca.pem")


@pytest.fixture
def options(models_dir, tls):
    """Every option away from its default."""
    return DeployOptions(
        models_dir,
        name="de-en",
        versions=(3, 4),
        labels={"stable": 3, "canary": 4},
        image="registry.example:5000/tensorflow/serving:2.19.1",
        grpc_port=9500,
        rest_port=9501,
        max_batch_size=48,
        batch_timeout_micros=700,
        cpus=3,
        memory_gib=5,
        replicas=(1, 9),
        tls=tls,
    )


def files_for(options):
    return deployment_files(options, Path("deployment"))


def compose_server(files):
    return yaml.safe_load(files["compose.yaml"])["services"]["de-en"]


def flags(words):
    return dict(word.removeprefix("--").split("=", 1) for word in words)


def manifests(files):
    """Returns the Kubernetes objects by kind."""
    parsed = [
        yaml.safe_load(text)
        for name, text in files.items()
        if name.startswith("kubernetes/")
    ]
    return {manifest["kind"]: manifest for manifest in parsed}


class TestServerFiles:
    def test_models_config(self, options):
        text = files_for(options)["models.config"]
        config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
        (model,) = config.model_config_list.config
        assert (model.name, model.base_path) == ("de-en", "/models/de-en")
        assert model.model_platform == "tensorflow"
        assert list(model.model_version_policy.specific.versions) == [3, 4]
        assert dict(model.version_labels) == {"stable": 3, "canary": 4}

    def test_without_versions_the_newest_is_served(self, models_dir):
        text = files_for(DeployOptions(models_dir))["models.config"]
        config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
        (model,) = config.model_config_list.config
        assert model.model_version_policy.latest.num_versions == 1
        assert not model.version_labels

    def test_batching_never_splits(self, options):
        text = files_for(options)["batching_parameters.txt"]
        parameters = parse(text, "BatchingParameters")
        assert parameters.max_batch_size.value == 48
        assert parameters.batch_timeout_micros.value == 700
        assert parameters.num_batch_threads.value == 3
        assert parameters.max_enqueued_batches.value > 0
        # No other field is set: no splitting, no padding.
        assert len(parameters.ListFields()) == 4

    def test_monitoring(self, options):
        text = files_for(options)["monitoring.config"]
        prometheus = parse(text, "MonitoringConfig").prometheus_config
        assert prometheus.enable
        assert prometheus.path == "/monitoring/prometheus/metrics"

    @pytest.mark.parametrize("verify", [True, False])
    def test_ssl_config_holds_the_pem_texts(self, options, tls, verify):
        if not verify:
            tls = dataclasses.replace(tls, client_ca=None)
        options = dataclasses.replace(options, tls=tls)
        config = parse(files_for(options)["tls/ssl.config"], "SSLConfig")
        assert config.server_key == tls.key.read_text()
        assert config.server_cert == tls.certificate.read_text()
        assert config.custom_ca == (tls.client_ca.read_text() if verify else "")
        assert config.client_verify is verify

    def test_a_file_that_is_not_pem_is_refused(self, options, tls, tmp_path):
        odd = tmp_path / "odd.key"
        odd.write_bytes(b"\xff\x30")
        options = dataclasses.replace(options, tls=dataclasses.replace(tls, key=odd))
        with pytest.raises(ValueError, match=r"`key` must be .* PEM.*odd\.key"):
            files_for(options)


class TestAgreement:
    """Ports, names and paths are the same wherever they occur."""

    def test_containers_run_the_same_command(self, options):
        files = files_for(options)
        service = compose_server(files)
        (container,) = manifests(files)["Deployment"]["spec"]["template"]["spec"][
            "containers"
        ]
        assert service["image"] == container["image"] == options.image
        assert service["entrypoint"] == container["command"]
        assert service["command"] == container["args"]
        assert len(set(service["command"])) == 9

    def test_what_flags_name_is_mounted(self, options):
        files = files_for(options)
        service = compose_server(files)
        paths = [v for v in flags(service["command"]).values() if v.startswith("/")]
        assert len(paths) == 4
        config = text_format.Parse(
            files["models.config"], model_server_config_pb2.ModelServerConfig()
        )
        base_path = config.model_config_list.config[0].base_path

        mounts = {mount["target"]: mount["source"] for mount in service["volumes"]}
        assert all(mount["read_only"] for mount in service["volumes"])
        assert mounts[base_path] == str(options.models_dir.resolve())
        for path in paths:
            folder, _, name = path.rpartition("/")
            assert str(Path(mounts[folder]) / name) in files

        pod = manifests(files)["Deployment"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {m["mountPath"]: volumes[m["name"]] for m in container["volumeMounts"]}
        assert len(mounts) == len(volumes) == 3
        assert mounts[base_path]["persistentVolumeClaim"]["claimName"] == "de-en-models"
        config_map = manifests(files)["ConfigMap"]
        for path in paths:
            folder, _, name = path.rpartition("/")
            if folder == "/tls":
                assert mounts[folder]["secret"]["secretName"] == "de-en-tls"
            else:
                volume = mounts[folder]["configMap"]
                assert volume["name"] == config_map["metadata"]["name"]
                assert config_map["data"][name] == files[name]

    def test_ports(self, options):
        files = files_for(options)
        service = compose_server(files)
        server_flags = flags(service["command"])
        assert server_flags["port"] == "9500"
        assert server_flags["rest_api_port"] == "9501"
        assert service["ports"] == ["127.0.0.1:9500:9500", "127.0.0.1:9501:9501"]
        assert "/dev/tcp/127.0.0.1/9501 " in service["healthcheck"]["test"][-1]
        objects = manifests(files)
        pod = objects["Deployment"]["spec"]["template"]
        (container,) = pod["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports == {"grpc": 9500, "rest": 9501}
        for port in objects["Service"]["spec"]["ports"]:
            assert port["port"] == ports[port["targetPort"]]
        for probe in ("startupProbe", "readinessProbe"):
            assert container[probe]["httpGet"] == {
                "path": "/v1/models/de-en/metadata",
                "port": "rest",
            }
        assert container["livenessProbe"]["tcpSocket"]["port"] in ports
        annotations = pod["metadata"]["annotations"]
        assert annotations["prometheus.io/port"] == "9501"
        (job,) = yaml.safe_load(files["prometheus/prometheus.yml"])["scrape_configs"]
        assert job["static_configs"] == [{"targets": ["de-en:9501"]}]
        monitored = parse(files["monitoring.config"], "MonitoringConfig")
        path = monitored.prometheus_config.path
        assert job["metrics_path"] == annotations["prometheus.io/path"] == path

    def test_kubernetes_objects_find_each_other(self, options):
        objects = manifests(files_for(options))
        assert {each["metadata"]["name"] for each in objects.values()} == {"de-en"}
        spec = objects["Deployment"]["spec"]
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"] == labels
        assert objects["Service"]["spec"]["selector"] == labels
        assert objects["Service"]["spec"]["clusterIP"] == "None"
        budget = objects["PodDisruptionBudget"]["spec"]
        assert budget["selector"]["matchLabels"] == labels
        scaled = objects["HorizontalPodAutoscaler"]["spec"]
        reference = {key: objects["Deployment"][key] for key in ("apiVersion", "kind")}
        assert scaled["scaleTargetRef"] == {**reference, "name": "de-en"}
        assert (scaled["minReplicas"], scaled["maxReplicas"]) == (1, 9)

    def test_the_dashboard_queries_this_models_metrics(self, options):
        files = files_for(options)
        board = json.loads(files["grafana/dashboard.json"])
        assert len(board["uid"]) <= 40  # Grafana's limit
        assert len({panel["id"] for panel in board["panels"]}) == 6
        boxes = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
        assert len(set(boxes)) == 6
        targets = [target for panel in board["panels"] for target in panel["targets"]]
        for target in targets:
            query = target["expr"]
            # Of translations, not of probes: those count as OK, with an empty API.
            for metric, filters in re.findall(r":serving:(\w+){(.*?)}", query):
                assert ('API!=""' in filters) is ("latency" in metric), query
                assert ('status!="OK"' in filters) is (metric == "request_count")
            assert ":tensorflow:serving:" in query
            assert query.count("(") == query.count(")")
            assert "[$__rate_interval]" in query  # Grafana's own variable
            assert target["datasource"]["uid"] == "${source}"
            assert "batching_session" in query or 'model_name="de-en"' in query

    def test_resources(self, options):
        files = files_for(options)
        service = compose_server(files)
        assert (service["cpus"], service["mem_limit"]) == (3, "5g")
        (container,) = manifests(files)["Deployment"]["spec"]["template"]["spec"][
            "containers"
        ]
        assert container["resources"] == {
            "requests": {"cpu": 3, "memory": "5Gi"},
            "limits": {"memory": "5Gi"},
        }

    def test_without_tls_no_file_mentions_it(self, models_dir):
        files = files_for(DeployOptions(models_dir))
        for word in ("/tls", "tls/", "ssl_config"):
            assert not [name for name, text in files.items() if word in name + text]

    @pytest.mark.parametrize(
        "folder", ["a$HOME: ü", "yes", '"\\', "two\nlines", "🙂\x7f", " #", "-"]
    )
    def test_any_folder_of_the_model_is_read_back(self, tmp_path, folder):
        (tmp_path / folder).mkdir()
        files = files_for(DeployOptions(tmp_path / folder, name="de-en"))
        source = compose_server(files)["volumes"][0]["source"]
        assert source == str(tmp_path / folder).replace("$", "$$")

    @pytest.mark.parametrize(
        ("out", "source"),
        [
            ("deployment", "../models/de-en"),
            ("a/b", "../../models/de-en"),
            (".", "./models/de-en"),
        ],
    )
    def test_a_relative_folder_is_relative_to_the_file(
        self, tmp_path, monkeypatch, out, source
    ):
        (tmp_path / "models/de-en").mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        options = DeployOptions(Path("models/de-en"), name="de-en")
        service = compose_server(deployment_files(options, Path(out)))
        assert service["volumes"][0]["source"] == source

    @pytest.mark.parametrize("name", ["no", "y", "null", "on"])
    def test_a_name_that_yaml_could_take_for_a_value(self, models_dir, name):
        files = files_for(DeployOptions(models_dir, name=name))
        for manifest in manifests(files).values():
            assert manifest["metadata"]["name"] == name
        assert name in yaml.safe_load(files["compose.yaml"])["services"]


class TestWriting:
    def test_all_files_are_written(self, options, tmp_path):
        out = tmp_path / "out"
        paths, written_options = write_deployment(options, out)
        assert written_options == options
        written = {
            str(path.relative_to(out)): path.read_text("utf-8") for path in paths
        }
        assert written == deployment_files(options, out)
        assert {path for path in out.rglob("*") if path.is_file()} == set(paths)
        assert stat.S_IMODE((out / "tls/ssl.config").stat().st_mode) == 0o600

    def test_nothing_is_replaced_without_force(self, options, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "compose.yaml").write_text("mine")
        (out / "notes").write_text("mine")
        with pytest.raises(FileExistsError, match=r"compose\.yaml\. .*--force"):
            write_deployment(options, out)
        assert {path.name for path in out.rglob("*")} == {"compose.yaml", "notes"}
        assert (out / "compose.yaml").read_text() == "mine"
        write_deployment(options, out, force=True)
        assert "de-en" in (out / "compose.yaml").read_text()
        assert (out / "notes").read_text() == "mine"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "De_En"}, "`name` must be lower-case.*name='De_En'"),
        ({"name": "a" * 51}, "at most 50"),
        ({"name": ""}, "name=''"),
        ({"image": "tensorflow/serving"}, "must name a version.*image='tensorflow"),
        ({"image": "host:5000/tensorflow/serving"}, "must name a version"),
        ({"image": "tensorflow/serving:latest"}, "must name a version"),
        ({"grpc_port": 8501}, "two ports.*grpc_port=8501, rest_port=8501"),
        ({"rest_port": 0}, "rest_port=0"),
        ({"cpus": 0}, "`cpus` must be positive. Received: cpus=0"),
        ({"max_batch_size": -1}, "max_batch_size=-1"),
        ({"max_batch_size": 15}, "at least 16, the texts of the largest warm-up"),
        ({"batch_timeout_micros": -1}, "batch_timeout_micros=-1"),
        ({"replicas": (3, 2)}, r"replicas=\(3, 2\)"),
        ({"replicas": (0, 2)}, r"replicas=\(0, 2\)"),
        ({"versions": (3,), "labels": {"stable": 4}}, "labels='stable': 4"),
        ({"versions": (3,), "labels": {"a b": 3}}, "labels='a b': 3"),
    ],
)
def test_options_are_checked(models_dir, changed, message):
    with pytest.raises(ValueError, match=message):
        DeployOptions(models_dir, **changed)


def test_versions_must_exist(models_dir):
    with pytest.raises(
        FileNotFoundError, match=r"versions=\[9\] in .*Existing: \[3, 4\]"
    ):
        DeployOptions(models_dir, versions=(3, 9))
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        DeployOptions(models_dir / "elsewhere")


def test_the_serving_folder_holds_what_the_command_writes(tmp_path, monkeypatch):
    """As `keras-attn deploy serving --models models/translator` does."""
    (tmp_path / "models/translator/1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    options = DeployOptions(Path("models/translator"))
    paths, _ = write_deployment(options, Path("serving"))
    stored = {
        str(path.relative_to(SERVING)): path.read_bytes()
        for path in SERVING.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for name in ("README.md", "Dockerfile", "export.py", "ask.py"):
        assert stored.pop(name)
    assert stored == {
        str(path.relative_to("serving")): path.read_bytes() for path in paths
    }
