"""The script behind `make compatibility`, up to where it installs something."""

import sys
import zipfile
from pathlib import Path

import pytest

from tests import compatibility

METADATA = """Metadata-Version: 2.4
Name: keras-attn
Requires-Dist: numpy>=1.26
Requires-Dist: tomli>=2.0; python_version < "3.11" and extra == "train"
Requires-Dist: keras-attn[plot]; extra == "train"
Requires-Dist: tensorflow-text!=2.21.0,<2.22,>=2.18.1; extra == "tensorflow"
Requires-Dist: pytest>=8.3; extra == "test"
"""


def test_lowest_versions_are_those_that_the_wheel_names(tmp_path):
    wheel = tmp_path / "x.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("keras_attn-1.dist-info/METADATA", METADATA)
    assert compatibility.lowest_versions(wheel) == [
        "numpy==1.26.*",
        "tomli==2.0.*",
        "tensorflow-text==2.18.1.*",
    ]


@pytest.mark.parametrize(("options", "code"), [([], 1), (["--skip-missing"], 0)])
def test_a_missing_interpreter_is_named(monkeypatch, capsys, options, code):
    monkeypatch.setattr(sys, "argv", ["compatibility", "oldest", *options])
    monkeypatch.setattr(compatibility, "find_pythons", lambda: {})
    monkeypatch.setattr(compatibility, "build_wheel", lambda source: Path("x.whl"))
    monkeypatch.setattr(compatibility.signal, "signal", lambda number, handler: None)
    monkeypatch.chdir(".")  # and back
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(SystemExit) as ended:
        compatibility.main()
    assert ended.value.code == code
    assert "| no Python 3.10 |" in capsys.readouterr().out


def test_the_newest_python_is_chosen(monkeypatch):
    monkeypatch.setenv("PYTHONS", sys.executable)
    pythons = compatibility.find_pythons()
    assert sys.version_info[:2] in pythons
    newest = compatibility.choose_python(compatibility.NEWEST, pythons)
    assert newest == pythons[max(pythons)]
    assert compatibility.choose_python("3.99", pythons) is None
    monkeypatch.setenv("PYTHONS", f"{sys.executable} no-such-python")
    with pytest.raises(SystemExit, match="Received: no-such-python"):
        compatibility.find_pythons()
