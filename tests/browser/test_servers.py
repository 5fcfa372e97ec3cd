"""Servers that fail, are slow, unreachable, or on another host."""

import subprocess
import sys

import numpy as np
import pytest
from browser_tools import SENTENCE, ask, best, shades, words

from keras_attn.plotting.grid import attention_grid


def test_a_server_that_stops_and_restarts(models_dir, open_page):
    from keras_attn.serving.local_server.server import LocalServer

    server = LocalServer(models_dir, rest_port=0, threads=1)
    with server:
        server.start()
        page = open_page(f"http://{server.rest_address}", expected_errors=["ERR_"])
        ask(page)
    port = int(server.rest_address.rpartition(":")[2])
    page.get_by_label("Sentence", exact=True).fill("die Katze")
    page.get_by_role("button", name="Translate", exact=True).click()
    message = page.get_by_role("status").filter(has_text="cannot be reached")
    message.wait_for()
    assert page.get_by_label("Sentence", exact=True).input_value() == "die Katze"
    with LocalServer(models_dir, rest_port=port, threads=1) as server:
        server.start()
        page.get_by_role("button", name="Try again").click()
        page.locator("#panel", has_text="Katze").wait_for()
        assert not message.is_visible()


@pytest.fixture
def odd_server():
    """The page in front of a server that answers as the test says."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from keras_attn.serving.explorer import explorer_routes
    from keras_attn.serving.local_server.rest.http_server import HttpServer

    answers = []

    async def predict(request):
        return await answers.pop(0)()

    def metadata(request):
        return JSONResponse(
            {"metadata": {"signature_def": {"signature_def": {"translate": {}}}}}
        )

    routes = [
        *explorer_routes(lambda: ["m"]),
        Route("/v1/models/m/metadata", metadata),
        Route("/v1/models/m:predict", predict, methods=["POST"]),
    ]
    server = HttpServer("127.0.0.1", 0)
    server.start(Starlette(routes=routes))
    yield f"http://127.0.0.1:{server.port}", answers
    server.stop(1.0)


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        ('{"error": "no <b>room</b>"}', 429, "answered 429: no <b>room</b>"),
        ("<h1>Bad gateway</h1>", 502, "answered 502: Bad Gateway"),
        ('{"outputs": NaN}', 200, "is not JSON"),
        ('{"outputs": {}}', 200, "lacks outputs"),
        ("[]", 200, "has no outputs"),
    ],
)
def test_an_error_is_shown_and_the_text_stays(
    odd_server, open_page, content, status, message
):
    from starlette.responses import Response

    url, answers = odd_server

    async def answer():
        return Response(content, status)

    answers.append(answer)
    page = open_page(url, expected_errors=["Failed to load resource"])
    page.get_by_label("Sentence", exact=True).fill(SENTENCE)
    page.get_by_role("button", name="Translate", exact=True).click()
    page.get_by_role("status").filter(has_text=message).wait_for()
    assert page.get_by_label("Sentence", exact=True).input_value() == SENTENCE
    assert page.get_by_role("button", name="Try again").is_visible()
    assert not page.locator("#result").is_visible()
    assert page.get_by_role("button", name="Align my own").count() == 0  # not offered


def test_a_slow_request_can_be_cancelled(odd_server, open_page):
    import asyncio

    url, answers = odd_server
    answers.append(lambda: asyncio.sleep(60))
    page = open_page(url)
    page.get_by_label("Sentence", exact=True).fill(SENTENCE)
    page.get_by_role("button", name="Translate", exact=True).click()
    page.get_by_role("status").filter(has_text="Translating").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.locator("#message").wait_for(state="hidden")
    assert page.get_by_label("Sentence", exact=True).input_value() == SENTENCE


def test_a_proxy_for_another_server(served, open_page):
    """The command's page asks a server that allows no other origin."""
    command = [sys.executable, "-m", "keras_attn.cli", "explorer", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--rest-url", served], stdout=subprocess.PIPE, text=True
    )
    try:
        url = process.stdout.readline().removeprefix("explorer on ").strip()
        page = open_page(url)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        ask(page)
        grid = attention_grid(best(served, SENTENCE))
        words(page, "target").first.hover()
        np.testing.assert_allclose(shades(page, "source"), grid.weights[0], atol=6e-5)
        assert asked
        assert all(each.startswith(url) for each in asked)
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0
