"""The documentation builds as a site, without a warning and without a network."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr  # warnings are errors there
    return folder


def test_every_page_is_there(site):
    for page in (ROOT / "docs").rglob("*.md"):
        path = page.relative_to(ROOT / "docs").with_suffix(".html")
        if path.stem == "README":
            path = path.with_name("index.html")
        assert (site / path).exists(), path
    assert not (site / "_site").exists()


def test_the_navigation_has_four_groups_of_titles(site):
    page = (site / "index.html").read_text("utf-8")
    for group in ("Tutorials", "How-to guides", "Explanation", "Reference"):
        assert re.search(rf"<label[^>]*>[^<]*(<span[^>]*>)?\s*{group}\s", page), group
    assert re.search(
        r'href="training\.html"[^>]*>\s*<span[^>]*>\s*Training a tra', page
    )


def test_search_needs_no_server(site):
    """Pages opened from disk load the index as a script, and no worker."""
    index = (site / "search" / "search_index.js").read_text("utf-8")
    entries = json.loads(index.removeprefix("var __index = "))["docs"]
    locations = {entry["location"].partition("#")[0] for entry in entries}
    assert {"attention.html", "decisions/index.html", "reference/layers.html"} <= (
        locations
    )
    code = [path for path in locations if path.startswith("source/")]
    assert all(path.endswith(".ipynb.html") for path in code)
    for page in ("index.html", "decisions/index.html"):
        script = re.search(
            r'<script src="([./]*javascripts/iframe-worker\.js)"',
            (site / page).read_text("utf-8"),
        )
        assert (site / page).parent.joinpath(script.group(1)).exists()


def test_links_into_the_code_point_at_its_lines(site):
    formulas = (site / "formulas.html").read_text("utf-8")
    links = re.findall(r'href="(source/[^"#]+)#([^"]+)"', formulas)
    assert links
    for page, anchor in links:
        assert f'id="{anchor}"' in (site / page).read_text("utf-8")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_charts_show_the_stored_results(site, theme):
    stored = json.loads(
        (ROOT / "benchmarks" / "results" / "serve_roundtrip.json").read_text("utf-8")
    )
    picture = (site / "charts" / f"request-{theme}.svg").read_text("utf-8")
    numbers = re.findall(r">(\d+)</text>", picture)
    for size in (1, 8, 32):
        for key in ("grpc", "inprocess"):
            assert f"{stored[f'{key}_ms_batch{size}']:.0f}" in numbers
    page = (site / "results.html").read_text("utf-8")
    for name in ("request", "growth", "share"):
        assert f'src="charts/{name}-{theme}.svg#only-{theme}"' in page


def test_a_notebook_is_a_page(site):
    page = (site / "source/examples/notebooks/own_model.ipynb.html").read_text("utf-8")
    assert "<h1" in page
    assert "&quot;cell_type&quot;" not in page
    assert 'href="../../../layers.html"' in page


def test_a_page_of_a_notebook_leaves_out_the_badge():
    path = "examples/notebooks/own_model.ipynb"
    update = runpy.run_path(str(ROOT / "docs" / "update_repository.py"))
    hooks = runpy.run_path(str(ROOT / "docs" / "_site" / "hooks.py"))
    stored = (ROOT / path).read_text("utf-8")
    pages = []
    for address in ("https://github.com/OWNER/NAME", ""):
        notebook = json.loads(update["update_notebook"](stored, path, address))
        pages.append(hooks["_notebook"](path, notebook))
    assert pages[0] == pages[1]


def test_the_reference_has_the_docstrings(site):
    page = (site / "reference" / "layers.html").read_text("utf-8")
    assert (
        'id="keras_attn.layers.attention.bahdanau_attention.BahdanauAttention"' in page
    )
    assert "&gt;&gt;&gt;" in page


def test_nothing_is_loaded_from_another_host(site):
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]*\bsrc=[\"']?([^\"' >]+)", text)
        for tag in re.findall(r"<link[^>]*>", text):
            if re.search(r"rel=[\"']?(stylesheet|icon|preload|preconnect)", tag):
                loaded += re.findall(r"href=[\"']?([^\"' >]+)", tag)
        assert not [url for url in loaded if re.match(r"(https?:)?//", url)], page
