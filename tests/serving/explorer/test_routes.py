"""The explorer's files as a browser would get them."""

import contextlib
import re

import httpx
import pytest
from starlette.applications import Starlette

from keras_attn.plotting import attention_html
from keras_attn.serving.explorer import explorer_routes
from keras_attn.serving.local_server.rest.http_server import HttpServer


@pytest.fixture(scope="module")
def serve():
    """Serves the routes for names and options; returns a client of them."""
    with contextlib.ExitStack() as stack:

        def run(names, **options):
            server = HttpServer("127.0.0.1", 0)
            routes = explorer_routes(lambda: names, **options)
            server.start(Starlette(routes=routes))
            stack.callback(server.stop, 1.0)
            url = f"http://127.0.0.1:{server.port}"
            return stack.enter_context(httpx.Client(base_url=url))

        yield run


@pytest.fixture(scope="module")
def http(serve):
    return serve(["de-en", "en-de"])


def test_the_page_and_its_files_are_served(http):
    page = http.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    linked = re.findall(r'(?:href|src)="([^"#]+)"', page.text)
    assert {name.rpartition(".")[2] for name in linked} == {"css", "js", "svg"}
    modules = {name for name in linked if name.endswith(".js")}
    types = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    seen = set()
    while linked:
        name = linked.pop()
        seen.add(name)
        file = http.get(f"/{name}")
        assert file.status_code == 200, name
        assert file.headers["content-type"].startswith(types[name.rpartition(".")[2]])
        if name in modules:
            imported = re.findall(r'from "\./([^"]+)"', file.text)
            assert imported or name != "explorer/page.js", name
            modules |= {f"explorer/{each}" for each in imported}
            linked += [
                f"explorer/{each}"
                for each in imported
                if f"explorer/{each}" not in seen
            ]
    assert len(modules) > 10


@pytest.mark.parametrize("path", ["/", "/explorer/page.js", "/explorer/none.js"])
def test_the_policy_allows_only_the_page_itself(http, path):
    headers = http.get(path).headers
    policy = dict(
        part.strip().split(" ", 1)
        for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == policy["base-uri"] == "'none'"
    assert policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert (
        policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    )
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_another_host_is_allowed_only_for_requests(serve):
    http = serve(["a"], api="https://models.example:8501/v1/models/")
    policy = http.get("/").headers["content-security-policy"]
    assert "connect-src 'self' https://models.example:8501;" in policy
    assert policy.count("example") == 1
    assert http.get("/explorer/config.json").json() == {
        "models": ["a"],
        "api": "https://models.example:8501/v1/models",
    }


def test_the_config_names_the_models(http):
    config = http.get("/explorer/config.json")
    assert config.json() == {"models": ["de-en", "en-de"], "api": "/v1/models"}


@pytest.mark.parametrize("name", ["standalone.html", "standalone-aligned.html"])
def test_the_empty_page_for_downloads_is_that_of_the_plots(http, name):
    text = http.get(f"/explorer/{name}").text
    ours = attention_html([])
    policy = re.search(r'content="(default-src[^"]+)"', text)
    assert policy
    assert policy.group(0) in ours  # the same style and script, by their hashes
    assert ("radiogroup" in text) == ("aligned" in name)


def test_the_maps_are_explained_as_in_the_plots(http):
    explanation = re.compile(r">(Alignment: [^<]+ Attention: [^<]+)</p>")
    [here] = explanation.findall(http.get("/").text)
    assert [here] == explanation.findall(
        http.get("/explorer/standalone-aligned.html").text
    )


@pytest.mark.parametrize(
    "path", ["/explorer/", "/explorer/../routes.py", "/explorer/%2e%2e%2froutes.py"]
)
def test_other_paths_are_404(http, path):
    assert http.get(path).status_code == 404


def test_no_file_loads_from_other_hosts_or_writes_markup(http):
    from importlib import resources

    for path in (
        resources.files("keras_attn.serving.explorer").joinpath("static").iterdir()
    ):
        text = path.read_text("utf-8")
        urls = set(re.findall(r"https?://[^\s\"'`)]+", text))
        assert urls <= {"http://www.w3.org/2000/svg"}, path
        assert not re.search(r"@import|url\((?!#)", text), path
        for banned in ("innerHTML =", "insertAdjacentHTML", "document.write", "eval("):
            assert banned not in text, (path, banned)
        assert text.count("\n") < 300, path


@pytest.mark.parametrize(
    "api", ["", "v1/models", "//host/v1", "ftp://h/v1", "http:///v1", "/v1; img-src *"]
)
def test_a_bad_api_is_refused(api):
    with pytest.raises(ValueError, match=r"`api` must be .*Received: api="):
        explorer_routes(lambda: ["a"], api=api)
