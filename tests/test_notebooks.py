"""The notebooks run in a fresh kernel, and are stored without outputs."""

import json
import os
import re
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
    text, pages = execute(path, tmp_path, KERAS_ATTN_QUICK="1")
    assert "log p = " in text
    assert "<iframe" in pages
    picture = tmp_path / "runs" / "notebook" / "attention.png"
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
