"""A real browser on a real server of a tiny translator."""

import os
import shutil
from pathlib import Path

import pytest

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")


def pytest_collection_modifyitems(items):
    # pytest passes the tests of all folders.
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium():
    """The browser of the system, in one process for all tests."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install '.[browser]'"
    )
    executable = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, NAMES)), ""
    )
    if not executable:
        pytest.skip("needs Chromium: install it, or name it as CHROMIUM=/path/to/it")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory):
    import tiny

    from keras_attn.serving.export import export_translator

    folder = tmp_path_factory.mktemp("models")
    # Its self-test is a process of its own, and is tested elsewhere.
    export_translator(tiny.translator(beam_size=3), folder, self_test=False)
    return folder


@pytest.fixture(scope="session")
def served(models_dir):
    """A server that no test stops."""
    from keras_attn.serving.local_server.server import LocalServer

    with LocalServer(models_dir, rest_port=0, threads=1) as server:
        server.start()
        yield f"http://{server.rest_address}"


@pytest.fixture
def open_page(chromium):
    """Opens pages; the test fails if one logs an error or violates its policy."""
    contexts, errors = [], []

    def run(url, *, expected_errors=(), **options):
        context = chromium.new_context(**{"accept_downloads": True, **options})
        contexts.append(context)
        page = context.new_page()

        def record(message):
            if not any(text in message for text in expected_errors):
                errors.append(message)

        bad = ("error", "warning")
        page.on("console", lambda m: m.type in bad and record(m.text))
        page.on("pageerror", lambda error: record(str(error)))
        page.set_default_timeout(20_000)
        page.goto(url)
        return page

    yield run
    for context in contexts:
        context.close()
    assert not errors


def pytest_addoption(parser):
    parser.addoption(
        "--screenshots",
        metavar="TRANSLATOR",
        help="draw the pictures of docs/attention_maps.md with this run or .keras file",
    )
