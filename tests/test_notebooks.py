"""The notebooks run in a fresh kernel, and are stored without outputs."""

import importlib.util
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))

# In a process of its own: the machinery of kernels warns, and leaves loops running.
RUN = """
import json, sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=1200, kernel_name="python3").execute()
print(json.dumps(notebook))
"""


def read(path):
    return json.loads(path.read_text("utf-8"))


def name(path):
    return path.stem


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_is_stored_without_outputs(path):
    notebook = read(path)
    assert notebook["cells"][0]["cell_type"] == "markdown"
    assert "".join(notebook["cells"][0]["source"]).startswith("# ")
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            compile("".join(cell["source"]), path.name, "exec")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_links_of_a_notebook_exist(path):
    text = "".join("".join(cell["source"]) for cell in read(path)["cells"])
    links = re.findall(r"\]\(([^):]+)\)", text)
    assert links
    for link in links:
        assert (path.parent / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_the_first_code_cell_installs_where_a_module_is_missing(path, monkeypatch):
    calls = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: calls.append(command))
    cell = next(cell for cell in read(path)["cells"] if cell["cell_type"] == "code")
    code = compile("".join(cell["source"]), path.name, "exec")
    namespace = {}
    exec(code, namespace)
    assert calls == []
    installed = importlib.util.find_spec
    for missing in namespace["NEEDED"]:
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, missing=missing: None if name == missing else installed(name),
        )
        exec(code, {})
    assert len(calls) == len(namespace["NEEDED"])
    listed = (ROOT / "docs" / "start.md").read_text("utf-8").partition(path.name)[2]
    for *pip, requirement in calls:
        assert pip[1:4] == ["-m", "pip", "install"]
        assert f"| `{requirement}`" in listed.partition("\n")[0]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_badge_opens_the_notebook_where_its_address_is_known(path):
    update = runpy.run_path(str(ROOT / "docs" / "update_repository.py"))
    update = update["update_notebook"]
    inside, stored = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
    with_badge = update(stored, inside, "https://github.com/OWNER/NAME")
    [first, *others] = json.loads(with_badge)["cells"]
    assert first["source"][2] == (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        "(https://colab.research.google.com/github/OWNER/NAME/blob/main/"
        f"examples/notebooks/{path.name})\n"
    )
    assert others == read(path)["cells"][1:]
    assert update(with_badge, inside, "https://github.com/OWNER/NAME") == with_badge
    assert update(with_badge, inside, "") == update(stored, inside, "")


def test_the_documentation_lists_all_notebooks():
    page = (ROOT / "docs" / "start.md").read_text("utf-8")
    listed = re.findall(r"\]\(\.\./examples/notebooks/([\w.]+)\)", page)
    assert sorted(listed) == [path.name for path in NOTEBOOKS]
    assert len(NOTEBOOKS) >= 3


def execute(path, folder, **environment):
    """Runs a notebook; returns its printed text and its HTML outputs."""
    pytest.importorskip("nbclient", reason="needs nbclient: pip install '.[dev]'")
    pytest.importorskip("ipykernel", reason="needs ipykernel: pip install '.[dev]'")
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path)],
        cwd=folder, capture_output=True, text=True, check=False, timeout=1500,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    cells = json.loads(done.stdout.splitlines()[-1])["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    texts = [out["text"] for out in outputs if out["output_type"] == "stream"]
    pages = [out["data"].get("text/html", "") for out in outputs if "data" in out]
    return "".join(texts), "".join(pages)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_own_model(tmp_path):
    path = ROOT / "examples" / "notebooks" / "own_model.ipynb"
    text, _ = execute(path, tmp_path)
    assert "letters right in the last epoch" in text


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_attention_maps(tmp_path):
    path = ROOT / "examples" / "notebooks" / "where_it_looks.ipynb"
    text, pages = execute(path, tmp_path)
    assert "The small dog sees the cat." in text
    assert "<iframe" in pages
    picture = tmp_path / "attention.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_translating_by_a_server(tmp_path):
    import tiny

    from keras_attn.serving.export import export_translator
    from keras_attn.serving.local_server.server import LocalServer

    models = tmp_path / "models"
    export_translator(tiny.translator(), models, self_test=False)
    path = ROOT / "examples" / "notebooks" / "ask_a_server.ipynb"
    with LocalServer(models, threads=1) as server:
        server.start()
        text, pages = execute(path, tmp_path, KERAS_ATTN_SERVER=server.address)
    assert text.count(" -> ") == 2
    assert text.count("log p") == 4
    assert "<iframe" in pages
