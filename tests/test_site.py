"""The documentation builds as a site, without a warning and without a network."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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
        place = page.relative_to(ROOT / "docs").with_suffix(".html")
        if place.stem == "README":
            place = place.with_name("index.html")
        assert (site / place).exists(), place
    assert not (site / "_site").exists()


def test_links_into_the_code_point_at_its_lines(site):
    formulas = (site / "formulas.html").read_text("utf-8")
    links = re.findall(r'href="(source/[^"#]+)#([^"]+)"', formulas)
    assert links
    for page, anchor in links:
        assert f'id="{anchor}"' in (site / page).read_text("utf-8")


@pytest.mark.parametrize("look", ["light", "dark"])
def test_charts_show_what_is_stored(site, look):
    stored = json.loads(
        (ROOT / "benchmarks" / "results" / "serve_roundtrip.json").read_text("utf-8")
    )
    picture = (site / "charts" / f"request-{look}.svg").read_text("utf-8")
    shown = re.findall(r">(\d+)</text>", picture)
    for size in (1, 8, 32):
        for way in ("grpc", "inprocess"):
            assert f"{stored[f'{way}_ms_batch{size}']:.0f}" in shown
    page = (site / "speed.html").read_text("utf-8")
    for name in ("request", "growth", "share"):
        assert f'src="charts/{name}-{look}.svg#only-{look}"' in page


def test_a_notebook_is_a_page(site):
    page = (site / "source/examples/notebooks/own_model.ipynb.html").read_text("utf-8")
    assert "<h1" in page
    assert "&quot;cell_type&quot;" not in page
    assert 'href="../../../layers.html"' in page


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
        assert not [each for each in loaded if re.match(r"(https?:)?//", each)], page
