"""The documentation: its links lead somewhere, its Python runs, nothing is missing."""

import re
from pathlib import Path

import pytest

import keras_attn

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
PAGES = sorted(
    page
    for folder in (
        "docs",
        "examples",
        "benchmarks",
        "keras_attn",
        "training",
        "serving",
        "tests",
    )
    for page in (ROOT / folder).rglob("*.md")
) + sorted(ROOT.glob("*.md"))

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def relative(page):
    return str(page.relative_to(ROOT))


def read(page):
    return page.read_text(encoding="utf-8")


def prose(page):
    """The text of a page without its code, where brackets are no links."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", read(page)))


def anchors(page):
    """The `#anchors` that GitHub gives a page's headings, or the lines of code."""
    if page.suffix != ".md":
        return {f"L{number}" for number, _ in enumerate(read(page).splitlines(), 1)}
    headings = _HEADING.findall(_FENCE.sub("", read(page)))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


def python_blocks(page):
    return [
        code for _, language, code in _FENCE.findall(read(page)) if language == "python"
    ]


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_relative_links_lead_somewhere(page):
    broken = []
    for link in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        inside = target.is_relative_to(ROOT) and target.exists()
        if not inside or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_python_compiles(page):
    for code in python_blocks(page):
        compile(code, relative(page), "exec")


LAYER_EXAMPLES = python_blocks(DOCS / "layers.md")


@pytest.mark.parametrize("code", LAYER_EXAMPLES, ids=range(len(LAYER_EXAMPLES)))
def test_layer_examples_run_each_on_its_own(code):
    exec(compile(code, "docs/layers.md", "exec"), {"__name__": "layers_example"})


# Their examples need a server, a corpus or a trained model, or run on their own above.
FRAGMENTS = (
    "attention_maps.md",
    "builtin_corpus.md",
    "client.md",
    "corpora.md",
    "decoding.md",
    "deploy.md",
    "evaluation.md",
    "layers.md",
    "serving.md",
)
RUNNING_PAGES = [
    page
    for page in PAGES
    if page.is_relative_to(DOCS)
    and python_blocks(page)
    and page.relative_to(DOCS).as_posix() not in FRAGMENTS
]


@pytest.mark.parametrize("page", RUNNING_PAGES, ids=relative)
def test_examples_of_a_page_run_from_top_to_bottom(page):
    namespace = {"__name__": page.stem}
    for code in python_blocks(page):
        exec(compile(code, relative(page), "exec"), namespace)


def test_every_attention_page_has_an_example_and_is_listed():
    links = set(_LINK.findall(prose(DOCS / "attention" / "README.md")))
    for page in (DOCS / "attention").glob("*.md"):
        assert python_blocks(page), page
        assert page.name in links | {"README.md"}


def test_the_index_of_public_names_is_complete():
    index = read(DOCS / "layers.md").partition("## Public names")[2]
    listed = re.findall(r"^\| `(\w+)` \|", index, re.MULTILINE)
    assert sorted(listed) == sorted(keras_attn.__all__)


def test_the_contents_list_every_page():
    links = set(_LINK.findall(prose(DOCS / "README.md")))
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} <= links


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_its_sections(page):
    number = page.name[:4]
    assert read(page).startswith(f"# {number}. ")
    assert re.search(r"^Status: (accepted|replaced)", read(page), re.MULTILINE)
    sections = re.findall(r"^## (.+)$", read(page), re.MULTILINE)
    assert sections == ["Context", "Decision", "Consequences", "Rejected options"]


def test_decisions_are_numbered_in_order_and_listed():
    numbers = [int(page.name[:4]) for page in DECISIONS]
    assert numbers == list(range(1, len(DECISIONS) + 1))
    listed = _LINK.findall(prose(DOCS / "decisions" / "README.md"))
    assert listed == [page.name for page in DECISIONS]
