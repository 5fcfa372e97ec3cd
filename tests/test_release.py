"""What a release says of itself: version, addresses, citation, workflows."""

import os
import re
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import keras_attn

_REASON = "needs what MkDocs needs: pip install '.[docs]'"
yaml = pytest.importorskip("yaml", reason=_REASON)
markdown = pytest.importorskip("markdown", reason=_REASON)

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
ADDRESS = "https://github.com/OWNER/NAME"
SETUP = runpy.run_path(str(ROOT / "setup.py"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
README = (ROOT / "README.md").read_text("utf-8")
DOCKERFILES = [ROOT / "serving" / "Dockerfile", ROOT / "training" / "Dockerfile"]


def load(path):
    return yaml.safe_load(path.read_text("utf-8"))


def rendered_links(text):
    """The links and pictures of a text, as a reader of its page gets them."""
    page = markdown.markdown(text, extensions=["tables", "fenced_code"])
    return re.findall(r'(?:href|src)="([^"]*)"', page)


def test_the_version_is_written_once_and_needs_no_installation():
    assert "version" not in PYPROJECT["project"]
    assert SETUP["read_version"]() == keras_attn.__version__
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
        "import keras_attn; print(keras_attn.__version__)"
    )
    # -S: without the packages of the environment, this one among them.
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == keras_attn.__version__, done.stderr


def test_links_of_the_description_lead_to_the_tag():
    described = SETUP["describe"](README, ADDRESS, "1.2.3")
    stored = rendered_links(README)
    assert any(link.startswith("docs/images/") for link in stored)
    for link, resolved in zip(stored, rendered_links(described), strict=True):
        if link.startswith("http"):
            assert resolved == link
        else:
            assert (ROOT / link.partition("#")[0]).exists()
            kind = "raw" if link.endswith((".png", ".svg")) else "blob"
            assert resolved == f"{ADDRESS}/{kind}/v1.2.3/{link}"


def test_without_an_address_the_description_has_no_links_into_the_repository():
    described = SETUP["describe"](README, "", "1.2.3")
    stored = rendered_links(README)
    assert rendered_links(described) == [x for x in stored if x.startswith("http")]
    assert "Step by step · training" in described
    assert SETUP["project_urls"]("") == {}


def test_project_urls_are_below_the_address():
    urls = SETUP["project_urls"](ADDRESS)
    assert urls.pop("Repository") == ADDRESS
    assert urls.keys() == {"Documentation", "Changelog", "Issues", "Security"}
    assert all(url.startswith(f"{ADDRESS}/") for url in urls.values())


@pytest.mark.parametrize("address", [f"{ADDRESS}/", "OWNER/NAME", "http://a.b/c/d"])
def test_a_malformed_address_is_refused(address, tmp_path, monkeypatch):
    text = f"[tool.keras-attn]\nrepository = '{address}'\n"
    (tmp_path / "pyproject.toml").write_text(text)
    read_repository = SETUP["read_repository"]
    monkeypatch.setitem(read_repository.__globals__, "ROOT", tmp_path)
    message = rf"must be an address such as .* Received: repository='{address}'"
    with pytest.raises(ValueError, match=message):
        read_repository()


def test_stored_files_state_the_address_that_is_set():
    update = runpy.run_path(str(ROOT / "docs" / "update_repository.py"))
    address = PYPROJECT["tool"]["keras-attn"]["repository"]
    remedy = "run python docs/update_repository.py"
    for path in (ROOT / "examples" / "notebooks").glob("*.ipynb"):
        text, inside = path.read_text("utf-8"), path.relative_to(ROOT).as_posix()
        assert update["update_notebook"](text, inside, address) == text, remedy
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert update["update_citation"](text, address) == text, remedy
    with_line = update["update_citation"](text, ADDRESS)
    assert yaml.safe_load(with_line)["repository-code"] == ADDRESS
    assert update["update_citation"](with_line, "") == update["update_citation"](
        text, ""
    )


def test_the_citation_names_the_authors_and_the_papers_of_the_docs():
    citation = load(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["authors"] == PYPROJECT["project"]["authors"]
    assert citation["license"] == PYPROJECT["project"]["license"]
    papers = {
        identifier["value"]
        for reference in citation["references"]
        for identifier in reference["identifiers"]
    }
    pages = "".join(page.read_text("utf-8") for page in (ROOT / "docs").glob("*.md"))
    assert set(re.findall(r"arXiv:[\d.]*\d", pages)) <= papers
    modules = (ROOT / "keras_attn").rglob("*.py")
    sources = "".join(module.read_text("utf-8") for module in modules)
    assert [paper for paper in papers if paper not in pages + sources] == []


WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_what_there_is_with_pinned_actions_and_few_rights(path):
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", step["uses"])
        for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", "")):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        for script in re.findall(r"(?:\.ci|examples)/\w+\S*", step.get("run", "")):
            assert (ROOT / script).is_file()


def test_only_the_job_that_publishes_may_sign_in_and_it_waits_for_the_check():
    release = load(GITHUB / "workflows" / "release.yml")
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML reads `on` as True
    build, publish = release["jobs"]["build"], release["jobs"]["publish"]
    assert {"run": "make release-check"} in build["steps"]
    assert publish["needs"] == "build"
    assert publish["permissions"] == {"id-token": "write"}
    assert "pypa/gh-action-pypi-publish@" in publish["steps"][-1]["uses"]
    assert not any("run" in step for step in publish["steps"])
    for path in WORKFLOWS:
        jobs = load(path)["jobs"]
        assert [name for name in jobs if "permissions" in jobs[name]] == (
            ["publish"] if path.stem == "release" else []
        )


@pytest.mark.parametrize(
    ("tag", "repository", "error"),
    [
        ("v1.2.3", "OWNER/NAME", None),
        ("v1.2", "OWNER/NAME", "__version__ of keras_attn is not that of v1.2"),
        ("v1.2.3", "FORK/NAME", "repository in pyproject.toml is not https://"),
    ],
)
def test_a_release_needs_its_own_tag_and_address(tag, repository, error, tmp_path):
    (tmp_path / "dist").mkdir()
    with zipfile.ZipFile(tmp_path / "dist" / "a.whl", "w") as wheel:
        fields = f"Version: 1.2.3\nProject-URL: Repository, {ADDRESS}\n"
        wheel.writestr("a.dist-info/METADATA", fields)
    [check] = [
        step["run"]
        for step in steps(load(GITHUB / "workflows" / "release.yml"))
        if step.get("name", "").startswith("The tag is the version")
    ]
    (tmp_path / "python").symlink_to(sys.executable)
    done = subprocess.run(
        ["bash", "-e", "-c", check],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "GITHUB_REF_NAME": tag,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": repository,
        },
    )  # fmt: skip
    assert (done.returncode == 0) == (error is None), done.stderr
    assert error is None or error in done.stdout


def test_dependabot_watches_folders_that_have_something_to_update():
    updates = load(GITHUB / "dependabot.yml")["updates"]
    kinds = {update["package-ecosystem"]: update for update in updates}
    assert kinds.keys() == {"github-actions", "pip", "docker"}
    folders = [ROOT / folder.strip("/") for folder in kinds["docker"]["directories"]]
    assert [folder / "Dockerfile" for folder in folders] == DOCKERFILES


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_an_issue_form_has_what_github_requires(name):
    form = load(GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml")
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields) >= 3
    assert all(field["attributes"]["label"] for field in fields)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_image_copies_what_the_build_reads_and_installs_extras(path):
    text = path.read_text("utf-8")
    copied = " ".join(re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE)).split()
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert {"pyproject.toml", "setup.py", "README.md", "keras_attn"} <= {*copied}
    [extras] = re.findall(r"'/source\[([\w,]+)\]'", text)
    known = PYPROJECT["project"]["optional-dependencies"]
    assert [extra for extra in extras.split(",") if extra not in known] == []
