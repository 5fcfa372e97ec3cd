"""Models, versions and labels by `ModelServerConfig`s. No TensorFlow runs.

Codes and texts of refusals are TensorFlow Serving's, where it refuses at all.
"""

import contextlib
import itertools
import sys
import threading

import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import get_model_status_pb2, model_pb2
from tensorflow_serving.config import model_server_config_pb2

from keras_attn.serving import version_folders
from keras_attn.serving.local_server import model_versions
from keras_attn.serving.local_server.errors import RequestError
from keras_attn.serving.local_server.limits import Limits
from keras_attn.serving.local_server.model_config import read_model_configs
from keras_attn.serving.local_server.model_versions import ModelVersions
from keras_attn.serving.local_server.models import Models, model_status


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
def models(tmp_path):
    return Models(lambda name: ModelVersions(name, None, Version), roots=[tmp_path])


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
    return models.reload(models.read_configs(config(base, text)), lambda: False)


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


def test_a_label_moves_only_after_its_version_was_listed(models, base):
    def text(versions, stable):
        listed = " ".join(f"versions: {number}" for number in versions)
        policy = f"model_version_policy {{ specific {{ {listed} }} }}"
        labels = f'version_labels {{ key: "stable" value: {stable} }}'
        return f'config {{ name: "m" {policy} {labels if stable else ""} }}'

    reload(models, base, text([1], None))
    reload(models, base, text([1], 1))
    got = refusal(reload, models, base, text([1, 2], 2))
    assert got[0] == "FAILED_PRECONDITION"
    assert got[1].startswith("Request to assign label to version 2 of model m, which")
    models.refresh()  # nothing of it was applied
    assert served(models, "m", version_label="stable") == 1
    assert set(models.states("m")) == {1}
    reload(models, base, text([1, 2], 1))
    reload(models, base, text([1, 2], 2))
    assert served(models, "m", version_label="stable") == 2
    # The version of a label may be unlisted later; the label stays.
    reload(models, base, text([1], 2))
    assert refusal(served, models, "m", version_label="stable") == (
        "NOT_FOUND",
        "Servable not found for request: Specific(m, 2)",
    )


def test_a_new_model_that_cannot_be_loaded_is_an_error(models, base):
    (base / "n" / "7" / "broken").touch()
    reload(models, base, 'config { name: "m" }')
    got = refusal(reload, models, base, 'config { name: "m" } config { name: "n" }')
    assert got == (
        "UNKNOWN",
        "1 model(s) did not become available: {{{name: n version: 7} due to error: "
        "UNKNOWN: no such luck}, }",
    )
    assert served(models, "m") == 3


def test_the_first_model_that_cannot_be_loaded_is_a_servable(models, base):
    (base / "n" / "7" / "broken").touch()
    got = refusal(reload, models, base, 'config { name: "n" }')
    assert got[1].startswith("1 servable(s) did not become available: {{{name: n vers")


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
        "Illegal setting both ModelServerConfig::model_type (deprecated) and "
        "ModelServerConfig::model_platform, model name is m",
    ),
    "another platform": (
        'config { name: "m" model_platform: "torch" }',
        "INVALID_ARGUMENT",
        "Model m requests unsupported platform torch",
    ),
    "the paths before the platforms": (
        'config { name: "m" model_platform: "torch" } '
        'config { name: "n" base_path: "n" }',
        "INVALID_ARGUMENT",
        "Expected model n to have an absolute path or URI; got base_path()=n",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_configs(base, case):
    text, code, message = REFUSED[case]
    assert refusal(read_model_configs, config(base, text)) == (code, message)


def test_the_models_of_a_reload_are_bounded(base):
    models = Models(
        lambda name: ModelVersions(name, None, Version),
        roots=[base],
        limits=Limits(max_models=1),
    )
    reload(models, base, 'config { name: "m" }')
    got = refusal(reload, models, base, 'config { name: "m" } config { name: "n" }')
    assert got == (
        "INVALID_ARGUMENT",
        "A reload must list at most 1 models. Received: 2. Start the server with a "
        "higher --max-models.",
    )
    assert models.names == ["m"]


def test_the_parts_of_a_model_are_bounded(models, base):
    label = 'version_labels {{ key: "{}" value: 3 }}'
    labels = " ".join(map(label.format, range(1001)))
    numbers = "versions: [" + ",".join(["3"] * 1001) + "]"
    policy = f"model_version_policy {{ specific {{ {numbers} }} }}"
    for text, message in {
        f'name: "m" {labels}': "at most 1000 labels. Received: 1001 of model m",
        f'name: "m" {policy}': "at most 1000 versions. Received: 1001 of model m",
        f'name: "{"x" * 257}"': "at most 256 characters. Received: 257 in xxx",
    }.items():
        code, details = refusal(reload, models, base, f"config {{ {text} }}")
        assert code == "INVALID_ARGUMENT"
        assert message in details


def test_incomplete_configs(base):
    message = model_server_config_pb2.ModelServerConfig()
    assert refusal(read_model_configs, message) == (
        "INVALID_ARGUMENT",
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
        "ModelConfigList is currently supported",
    )
    message = config(base, 'config { name: "m" }')
    message.model_config_list.config[0].model_platform = ""
    assert refusal(read_model_configs, message) == (
        "INVALID_ARGUMENT",
        "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
        "ModelServerConfig::model_platform, model name is m",
    )
    message.model_config_list.config[0].model_type = 2
    assert refusal(read_model_configs, message) == (
        "INVALID_ARGUMENT",
        "ModelServerConfig::model_type choice 2 not supported.",
    )
    message.model_config_list.config[0].model_type = 1
    assert list(read_model_configs(message)) == ["m"]


def test_a_served_model_keeps_its_platform(models, base):
    reload(models, base, 'config { name: "m" }')
    got = refusal(reload, models, base, 'config { name: "m" model_platform: "torch" }')
    assert got == (
        "INVALID_ARGUMENT",
        "Illegal to change a model's platform. For model m platform was tensorflow and "
        "new platform requested is torch",
    )
    assert served(models, "m") == 3


STATUSES = {
    "model": ({"name": "nope"}, "Could not find any versions of model nope"),
    "version": (
        {"name": "m", "version": {"value": 99}},
        "Could not find version 99 of model m",
    ),
    "model and version": (
        {"name": "nope", "version": {"value": 99}},
        "Could not find version 99 of model nope",
    ),
}


@pytest.mark.parametrize("case", STATUSES)
def test_the_status_of_what_is_unknown(models, base, case):
    spec, message = STATUSES[case]
    reload(models, base, 'config { name: "m" }')
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
    assert refusal(model_status, models, request) == ("NOT_FOUND", message)


class TestPaths:
    """Which base paths a client may name."""

    def named(self, models, path):
        text = f'config {{ name: "x" base_path: "{path}" }}'
        return models.read_configs(config(None, text))["x"].base

    def test_within_the_folders(self, models, base):
        for path in (base, base / "m", base / "m" / ".." / "n", base / "m" / "1"):
            assert self.named(models, path) == path

    def test_links_are_resolved(self, models, base, tmp_path_factory):
        outside = tmp_path_factory.mktemp("outside")
        (base / "out").symlink_to(outside)
        (base / "in").symlink_to(base / "m")
        (base / "loop").symlink_to(base / "loop")
        (outside / "back").symlink_to(base)
        assert self.named(models, base / "in" / ".." / "n")
        assert self.named(models, outside / "back" / "m")
        for path in (
            outside,
            base / "out",
            base / "out" / "7",
            base / "in" / ".." / ".." / outside.name,
            f"{base}-other",
            base.parent,
            "/",
            "/proc/self/cwd",
            f"{base}/../../../../../../../../etc",
        ):
            code, message = refusal(self.named, models, path)
            assert code == "PERMISSION_DENIED"
            assert f"that the server was started with: {base}. " in message
            assert f"Received: base_path='{path}' of model x. " in message
            assert message.endswith("with a --reload-root that contains it.")

    @pytest.mark.parametrize(
        ("path", "reason"),
        [("/tmp/\\000x", "null byte"), ("/" + "a/" * 3000, "more than 4096 bytes")],
    )
    def test_what_no_path_can_be(self, models, path, reason):
        code, message = refusal(self.named, models, path)
        assert code == "INVALID_ARGUMENT"
        assert message.startswith("`base_path` must be the path of a folder with one ")
        assert reason in message
        assert len(message) < 600

    @pytest.mark.parametrize("path", ["nowhere", "file", "loop", "a" * 300])
    def test_an_unreadable_one_changes_nothing(self, models, base, path):
        (base / "file").touch()
        (base / "loop").symlink_to(base / "loop")
        reload(models, base, 'config { name: "m" }')
        text = f'config {{ name: "x" base_path: "{base / path}" }}'
        code, message = refusal(reload, models, base, text)
        assert code == "INVALID_ARGUMENT"
        assert message.startswith("`base_path` must be a folder that the server can ")
        assert message.endswith("Make the folder, or correct the path.")
        assert models.names == ["m"]
        assert served(models, "m") == 3

    def test_a_served_folder_may_be_gone_for_a_while(self, models, base):
        reload(models, base, 'config { name: "m" }')
        (base / "m").rename(base / "elsewhere")
        assert reload(models, base, 'config { name: "m" } config { name: "n" }')
        assert served(models, "m") == 3


def raise_at_call(number, files):
    """Returns a trace function that raises at the n-th call in or from some files.

    Its attribute `reached` says whether there were as many calls.
    """
    calls = itertools.count()

    def trace(frame, event, _):
        code = {frame.f_code.co_filename, frame.f_back.f_code.co_filename}
        if code & files and next(calls) == number:
            trace.reached = True
            raise OSError("this call") if number % 2 else ValueError("this call")

    trace.reached = False
    return trace


def test_an_exception_in_any_call_of_a_scan_does_not_end_the_watching(base):
    """In a scan that loads, fails to load, cancels a retry, unloads, frees memory."""
    files = {module.__file__ for module in (model_versions, version_folders)}
    previous = sys.gettrace()
    for number in itertools.count():
        folder = base / f"scan{number}"
        for version in (1, 2, 3):
            (folder / str(version)).mkdir(parents=True)
        (folder / "2" / "broken").touch()
        (folder / "3" / "broken").touch()
        versions = ModelVersions("m", None, Version, retries=1, retry_seconds=60)
        versions.configure(folder, set)  # all versions
        versions.refresh()
        (folder / "1").rename(folder / "4")
        (folder / "2").rename(folder / ".2")
        (folder / "3").rename(folder / "5")
        trace = raise_at_call(number, files)
        sys.settrace(trace)
        # The thread that calls it goes on after an exception; see `test_server.py`.
        with contextlib.suppress(OSError, ValueError):
            versions.refresh()
        sys.settrace(previous)
        (folder / "6").mkdir()
        versions.refresh()
        with versions.lease() as (served_version, _):
            assert served_version == 6, number
        if not trace.reached:
            break
    assert number > 40  # not the same call each time
