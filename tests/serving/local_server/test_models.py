"""Models, versions and labels by `ModelServerConfig`s. No TensorFlow runs."""

import threading

import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import model_pb2
from tensorflow_serving.config import model_server_config_pb2

from keras_attn.serving.local_server import model_versions
from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.model_config import read_model_configs
from keras_attn.serving.local_server.model_versions import ModelVersions
from keras_attn.serving.local_server.models import Models


class Version:
    """Stands for a loaded SavedModel; a file makes loading fail."""

    def __init__(self, folder):
        if (folder / "broken").exists():
            raise OSError("no such luck")
        self.folder = folder

    def close(self):
        pass


@pytest.fixture(autouse=True)
def no_collection(monkeypatch):
    """A garbage collection takes long in a process with so many imports."""
    monkeypatch.setattr(model_versions, "return_freed_memory", lambda: None)


@pytest.fixture
def models():
    return Models(lambda name: ModelVersions(name, None, Version))


@pytest.fixture
def base(tmp_path):
    for number in (1, 2, 3):
        (tmp_path / "m" / str(number)).mkdir(parents=True)
    (tmp_path / "n" / "7").mkdir(parents=True)
    return tmp_path


def config(base, text):
    """Reads a text config, with a base path and a platform put into each model."""
    message = model_server_config_pb2.ModelServerConfig()
    text_format.Parse(f"model_config_list {{ {text} }}", message)
    for model in message.model_config_list.config:
        model.base_path = model.base_path or str(base / model.name)
        model.model_platform = model.model_platform or "tensorflow"
    return message


def reload(models, base, text):
    return models.reload(read_model_configs(config(base, text)), lambda: False)


def served(models, name, **choice):
    spec = model_pb2.ModelSpec(name=name, **choice)
    with models.lease(spec) as (number, _):
        return number


def refusal(function, *arguments, **options):
    with pytest.raises(RequestError) as error:
        function(*arguments, **options)
    return error.value.code.name, error.value.message


def test_the_newest_is_the_default(models, base):
    assert reload(models, base, 'config { name: "m" }')
    assert served(models, "m") == 3
    assert refusal(served, models, "m", version={"value": 2}) == (
        "NOT_FOUND",
        "Servable not found for request: Specific(m, 2)",
    )


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        ("latest { num_versions: 2 }", {2, 3}),
        ("latest { }", {3}),
        ("all { }", {1, 2, 3}),
        ("specific { versions: 1 versions: 9 }", {1}),
    ],
)
def test_policies(models, base, policy, versions):
    reload(models, base, f'config {{ name: "m" model_version_policy {{ {policy} }} }}')
    states = models.states("m").items()
    assert {number for number, state in states if state.name == "AVAILABLE"} == versions


def test_a_model_that_is_no_longer_listed_is_unloaded(models, base):
    reload(models, base, 'config { name: "m" } config { name: "n" }')
    assert (served(models, "m"), served(models, "n")) == (3, 7)
    reload(models, base, 'config { name: "n" }')
    assert served(models, "n") == 7
    assert refusal(served, models, "m") == (
        "NOT_FOUND",
        "Servable not found for request: Latest(m)",
    )
    assert models.states("m")[3].name == "END"
    reload(models, base, 'config { name: "m" }')
    assert served(models, "m") == 3


ALL = 'name: "m" model_version_policy { all {} }'


def test_labels(models, base):
    reload(models, base, f"config {{ {ALL} }}")
    labels = 'version_labels { key: "stable" value: 2 }'
    reload(models, base, f"config {{ {ALL} {labels} }}")
    assert served(models, "m", version_label="stable") == 2
    assert refusal(served, models, "m", version_label="canary") == (
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: canary",
    )
    reload(models, base, f"config {{ {ALL} }}")
    assert refusal(served, models, "m", version_label="stable")[0] == "INVALID_ARGUMENT"


def test_a_label_for_an_unavailable_version_changes_nothing(models, base):
    reload(models, base, 'config { name: "m" }')
    text = 'config { name: "m" version_labels { key: "old" value: 1 } }'
    got = refusal(reload, models, base, f'{text} config {{ name: "n" }}')
    assert got == (
        "FAILED_PRECONDITION",
        "Request to assign label to version 1 of model m, which is not currently "
        "available for inference",
    )
    assert models.names == ["m"]
    assert served(models, "m") == 3
    assert models.states("n") == {}


def test_a_new_model_that_cannot_be_loaded_is_an_error(models, base):
    (base / "n" / "7" / "broken").touch()
    reload(models, base, 'config { name: "m" }')
    got = refusal(reload, models, base, 'config { name: "m" } config { name: "n" }')
    assert got == (
        "UNKNOWN",
        "1 servable(s) did not become available: {{{name: n version: 7} due to error: "
        "UNKNOWN: no such luck}, }",
    )
    assert served(models, "m") == 3


def test_waits_for_a_new_model(models, base, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    looks = []

    def wait():
        looks.append(models.states("empty"))
        if len(looks) == 2:
            (empty / "1").mkdir()
        return True

    configs = read_model_configs(config(base, 'config { name: "empty" }'))
    assert models.reload(configs, wait)
    assert looks == [{}, {}]
    assert served(models, "empty") == 1


def test_no_models_at_all(models, base):
    reload(models, base, 'config { name: "m" }')
    assert reload(models, base, "")
    assert models.names == []
    assert refusal(served, models, "m")[0] == "NOT_FOUND"


def test_requests_succeed_while_models_change(models, base):
    reload(models, base, 'config { name: "m" }')
    failures, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                assert served(models, "m") == 3
            except Exception as error:
                failures.append(error)
                return

    asker = threading.Thread(target=ask)
    asker.start()
    for _ in range(50):
        reload(models, base, 'config { name: "m" } config { name: "n" }')
        reload(models, base, 'config { name: "m" }')
    stop.set()
    asker.join()
    assert failures == []


REFUSED = {
    "twice": (
        'config { name: "m" } config { name: "m" }',
        "INVALID_ARGUMENT",
        "Illegal to list model m multiple times in config list",
    ),
    "a relative path": (
        'config { name: "m" base_path: "models/m" }',
        "INVALID_ARGUMENT",
        "Expected model m to have an absolute path or URI; got base_path()=models/m",
    ),
    "platform and type": (
        'config { name: "m" model_type: TENSORFLOW }',
        "INVALID_ARGUMENT",
        "Illegal setting both model_type(deprecated) and model_platform.",
    ),
    "another platform": (
        'config { name: "m" model_platform: "caffe" }',
        "FAILED_PRECONDITION",
        "PlatformConfigMap has no entry for platform caffe",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_configs(base, case):
    text, code, message = REFUSED[case]
    assert refusal(read_model_configs, config(base, text)) == (code, message)


def test_incomplete_configs(base):
    message = model_server_config_pb2.ModelServerConfig()
    assert refusal(read_model_configs, message) == (
        "INVALID_ARGUMENT",
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
        "ModelConfigList is currently supported",
    )
    message = config(base, 'config { name: "m" }')
    message.model_config_list.config[0].model_platform = ""
    assert refusal(read_model_configs, message)[1] == (
        "Illegal setting neither model_type(deprecated) nor model_platform."
    )
    message.model_config_list.config[0].model_type = 1
    assert list(read_model_configs(message)) == ["m"]
