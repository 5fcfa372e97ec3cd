"""The documentation: links lead somewhere, Python runs, every page is listed."""

import re
from pathlib import Path

import pytest

import keras_attn

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
FOLDERS = (
    "docs",
    "examples",
    "benchmarks",
    "keras_attn",
    "training",
    "serving",
    "tests",
)
PAGES = sorted(
    page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md")
) + sorted(ROOT.glob("*.md"))

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_TOP = re.compile(r"# (?P<title>.+)\n\n\*(?P<question>[^*]+\?)\*\n")


def relative(page):
    return str(page.relative_to(ROOT))


def read(page):
    return page.read_text(encoding="utf-8")


def prose(page):
    """The text of a page without code, in which brackets are not links."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", read(page)))


def anchors(page):
    """The anchors that GitHub gives the headings of a page, or the lines of code."""
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


def test_python_compiles():
    for page in PAGES:
        for code in python_blocks(page):
            compile(code, relative(page), "exec")


LAYER_EXAMPLES = python_blocks(DOCS / "layers.md")


@pytest.mark.parametrize("code", LAYER_EXAMPLES, ids=range(len(LAYER_EXAMPLES)))
def test_examples_of_layers_run_independently(code):
    exec(compile(code, "docs/layers.md", "exec"), {"__name__": "layers_example"})


# Examples that need a server, a corpus or a trained model, or run in the test above.
FRAGMENTS = (
    "attention_maps.md",
    "backends.md",
    "builtin_corpus.md",
    "client.md",
    "decoding.md",
    "evaluation.md",
    "layers.md",
    "serving.md",
    "training.md",
)
RUNNING_PAGES = [
    page
    for page in sorted(DOCS.glob("*.md"))
    if python_blocks(page) and page.name not in FRAGMENTS
]


# One trains a model until its attention shows the words, one compiles five.
SLOW_PAGES = ("tutorial.md", "keras.md")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] * (page.name in SLOW_PAGES))
        for page in RUNNING_PAGES
    ],
    ids=relative,
)
def test_examples_of_a_page_run_from_top_to_bottom(page):
    namespace = {"__name__": page.stem}
    for code in python_blocks(page):
        exec(compile(code, relative(page), "exec"), namespace)


def test_every_align_function_has_a_section():
    from keras_attn.models.align_functions import ALIGN_FUNCTIONS

    page = read(DOCS / "attention.md")
    for name, class_name in ALIGN_FUNCTIONS.items():
        anchor = name.replace("_", "-")
        assert f"| [`{name}`](#{anchor}) |" in page
        assert f"\n`{class_name}`: " in page


def test_the_index_of_public_names_is_complete():
    index = read(DOCS / "layers.md").partition("## Public names")[2]
    names = re.findall(r"^\| `(\w+)` \|", index, re.MULTILINE)
    assert sorted(names) == sorted(keras_attn.__all__)


def test_the_contents_list_every_page_by_title_and_question():
    contents = read(DOCS / "README.md")
    pages = [page for page in DOCS.glob("*.md") if page.name != "README.md"]
    for page in [*pages, DOCS / "decisions" / "README.md"]:
        top = _TOP.match(read(page))
        assert top, f"{page} must begin with a title and a question"
        path = page.relative_to(DOCS).as_posix()
        assert f"- [{top['title']}]({path}): {top['question']}\n" in contents


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_its_sections(page):
    number = page.name[:4]
    assert read(page).startswith(f"# {number}. ")
    assert re.search(r"^Status: (accepted|replaced)", read(page), re.MULTILINE)
    sections = re.findall(r"^## (.+)$", read(page), re.MULTILINE)
    assert sections == ["Context", "Decision", "Consequences", "Rejected options"]


def test_decisions_have_different_numbers_and_are_listed():
    numbers = [page.name[:4] for page in DECISIONS]
    assert len(set(numbers)) == len(numbers)
    listed = _LINK.findall(prose(DOCS / "decisions" / "README.md"))
    assert listed == [page.name for page in DECISIONS]
