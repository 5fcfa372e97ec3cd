"""The search of the documentation's site, opened from disk in Chromium."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs", reason="needs mkdocs: pip install '.[dev]'")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", folder],
        cwd=ROOT, check=True, timeout=300,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("start", ["index.html", "decisions/index.html"])
def test_a_query_finds_a_page(chromium, site, start):
    page = chromium.new_page()
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"file://{site}/{start}")
    page.locator(".md-search__input").press_sequentially("sparsemax")
    result = page.wait_for_selector(".md-search-result__link")
    assert result.get_attribute("href").startswith(f"file://{site}/attention.html")
    assert all(url.startswith(("file:", "data:", "about:")) for url in requests)
    page.close()
