"""What the site needs beyond the pages of docs/.

Pages link to code, to folders and to the project's own pages at the top, so that they
can be read in the repository. On the site these are pages, too: `source/...` shows a
file or a notebook, `project/...` one of the top pages. Charts are drawn of the stored
results. The reference is written from docstrings, one page a room, and all of it is put
into the navigation here.
"""

import ast
import json
import posixpath
import re
import runpy
import subprocess
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
TOP_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
# Room of the reference: the modules that it shows.
ROOMS = {
    "layers": "keras_attn/layers",
    "models": "keras_attn/models",
    "decoding": "keras_attn/decoding",
    "text": "keras_attn/text",
    "metrics": "keras_attn/metrics",
    "plotting": "keras_attn/plotting",
    "translator": "keras_attn/translator/translator.py",
    "translation": "keras_attn/translation.py",
    "masking": "keras_attn/masking.py",
    "client": "keras_attn/serving/client",
}

_CHARTS = runpy.run_path(str(Path(__file__).with_name("charts.py")))
_CHART = re.compile(r"^<!-- chart: (\w+) -->$", re.MULTILINE)
_FENCE = re.compile(r"^( *)(```+)[^\n]*\n.*?^\1\2$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]*)(#[^)\s]*)?(?=\))")
_LANGUAGES = {".py": "python", ".toml": "toml", ".json": "json", ".css": "css"}


def on_files(files, config):
    """Adds the pages that are not in docs/."""
    for path in TOP_PAGES:
        _add(files, config, f"project/{path}", (ROOT / path).read_text("utf-8"))
    for room, path in ROOMS.items():
        _add(files, config, f"reference/{room}.md", _reference(room, ROOT / path))
    for path in sorted(_linked_files(files)):
        _add(files, config, _place(path), _source(path))
    for name, series in _CHARTS["CHARTS"].items():
        chart = series()
        for look in _CHARTS["LOOKS"] if chart else ():
            picture = _CHARTS["draw"](chart, look)
            _add(files, config, f"charts/{name}-{look}.svg", picture)
    config.nav = _navigation()
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns links into the repository into links to pages of the site."""
    source = page.file.src_uri
    home = _repository_path(source)
    if home is None:
        return markdown
    # A box in front of a link would be read as the text of a reference.
    markdown = markdown.replace("- [ ] ", "- ☐ ")
    markdown = _CHART.sub(_to_pictures(source), markdown)
    return _outside_code(markdown, lambda text: _LINK.sub(_to_page(home, source), text))


def on_page_content(html, page, config, files):
    """Points at lines of code, whose anchors MkDocs cannot check."""
    return re.sub(r'(?<=\.html)\?line=(\d+)(?=")', r"#__codelineno-0-\1", html)


def _navigation():
    """Returns the sections of the contents page, and behind them the reference."""
    contents = (ROOT / "docs" / "README.md").read_text("utf-8")
    found = [{"Contents": "README.md"}]
    for section in re.split(r"^\*\*(?=[A-Z])", contents, flags=re.MULTILINE)[1:]:
        paths = re.findall(r"^\| \[[^\]]+\]\(([^)]+)\)", section, re.MULTILINE)
        entries = [_entry(_place(posixpath.normpath(f"docs/{each}"))) for each in paths]
        found.append({section.partition("**")[0]: entries})
    reference = [f"reference/{room}.md" for room in ROOMS]
    return [*found, {"Reference": reference}]


def _entry(place):
    """Returns the entry of a page; that of a folder's first page holds the others."""
    folder = posixpath.dirname(place)
    if posixpath.basename(place) != "README.md" or folder == "project":
        return place
    pages = sorted((ROOT / "docs" / folder).glob("*.md"))
    others = [f"{folder}/{page.name}" for page in pages if page.name != "README.md"]
    return {folder: [place, *others]}


def _to_pictures(source):
    """Returns what puts a chart in the place of its mark, for light and dark pages."""

    def replace(match):
        chart = _CHARTS["CHARTS"][match.group(1)]()
        if chart is None:
            return ""
        folder = posixpath.relpath("charts", posixpath.dirname(source) or ".")
        return "\n".join(
            f"![{chart['title']}]({folder}/{match.group(1)}-{look}.svg#only-{look})"
            for look in _CHARTS["LOOKS"]
        )

    return replace


def _to_page(home, source):
    def replace(match):
        link, anchor = match.group(1), match.group(2) or ""
        target = posixpath.normpath(posixpath.join(posixpath.dirname(home), link))
        place = _place(target)
        if place.startswith("source/"):
            anchor = re.sub(r"^#L(?=\d+$)", "?line=", anchor)
        return posixpath.relpath(place, posixpath.dirname(source) or ".") + anchor

    return replace


def _place(path):
    """Returns where a path of the repository stands on the site."""
    if path in TOP_PAGES:
        return f"project/{path}"
    inside = posixpath.relpath(path, "docs")
    if not inside.startswith(".."):
        return f"{inside}/README.md" if (ROOT / path).is_dir() else inside
    return f"source/{path}.md"


def _repository_path(source):
    """Returns the path in the repository of a page of the site, None if it has none."""
    if source.startswith("project/"):
        return source.removeprefix("project/")
    if source.startswith(("source/", "reference/")):
        return None
    return f"docs/{source}"


def _linked_files(files):
    """Returns the files and folders outside of docs/ that pages link to."""
    found = set()
    for file in files.documentation_pages():
        home = _repository_path(file.src_uri)
        if home is None:
            continue
        text = _FENCE.sub("", (ROOT / home).read_text("utf-8"))
        for link, _ in _LINK.findall(text):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(home), link))
            if link and _place(path).startswith("source/"):
                found.add(path)
    return found


def _source(path):
    """Returns the page that shows a file or a folder of the repository."""
    whole = ROOT / path
    if whole.is_dir():
        listing = subprocess.run(
            ["git", "ls-files", path], cwd=ROOT, capture_output=True, text=True
        ).stdout or "\n".join(sorted(each.name for each in whole.iterdir()))
        return f"# {path}/\n\n```text\n{listing.strip()}\n```\n"
    text = whole.read_text("utf-8")
    if whole.suffix == ".ipynb":
        return _notebook(path, json.loads(text))
    # A fence longer than any in the file.
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`{3,}", text))])
    language = _LANGUAGES.get(whole.suffix, "text")
    return f'# {path}\n\n{fence}{language} linenums="1"\n{text.rstrip()}\n{fence}\n'


def _notebook(path, notebook):
    """Returns a notebook as a page: its text as it is, its code in fences."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            source = f"```python\n{source}\n```"
        parts.append(_LINK.sub(_to_page(path, _place(path)), source))
    return "\n\n".join([*parts, f"(`{path}`)\n"])


def _reference(room, path):
    """Returns the page of a room: what the room exports, where it is defined."""
    wanted = None
    modules = [path]
    if path.is_dir():
        wanted = set(_all_of(path / "__init__.py"))
        modules = sorted(path.rglob("*.py"))
    lines = [f"# {room}", ""]
    for module in modules:
        dotted = ".".join(module.relative_to(ROOT).with_suffix("").parts)
        for name in _defined_names(module):
            if wanted is None or name in wanted:
                lines += [f"::: {dotted}.{name}", ""]
    return "\n".join(lines)


def _defined_names(module):
    """Returns the public classes and functions that a module itself defines."""
    kinds = (ast.ClassDef, ast.FunctionDef)
    tree = ast.parse(module.read_text("utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, kinds)}
    return [name for name in _all_of(module) if name in defined]


def _all_of(module):
    """Returns a module's public names, without importing it."""
    for node in ast.parse(module.read_text("utf-8")).body:
        # A room that loads its names late lists them as keys of `_HOMES`.
        named = isinstance(node, ast.Assign) and ast.unparse(node.targets[0])
        if named in ("__all__", "_HOMES"):
            return list(ast.literal_eval(node.value))
    return []


def _outside_code(markdown, change):
    """Applies a change to all that stands outside of fenced code."""
    parts, end = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [change(markdown[end : fence.start()]), fence.group()]
        end = fence.end()
    return "".join([*parts, change(markdown[end:])])


def _add(files, config, place, content):
    files.append(File.generated(config, place, content=content))
