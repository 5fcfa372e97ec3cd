"""MkDocs hooks: pages of the site that are not files of docs/, and the navigation.

Pages of docs/ link to code, to folders and to README, CHANGELOG and CONTRIBUTING, so
that they can be read in the repository. The site has pages for these links:
`source/...` shows a file, folder or notebook, `project/...` a top-level page. Charts
are drawn from the stored benchmark results, and `reference/...` pages are written from
docstrings, one for each package. The navigation follows the groups of docs/README.md.
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
WORKER_SHIM = "iframe-worker.js"  # search in pages opened from disk
TOP_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
# Page of the API reference: the module or package that it documents.
API_PAGES = {
    "layers": "keras_attn/layers",
    "models": "keras_attn/models",
    "decoding": "keras_attn/decoding",
    "text": "keras_attn/text",
    "metrics": "keras_attn/metrics",
    "markup": "keras_attn/markup",
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
_BADGE = re.compile(r"^\[!\[Open in Colab\].*\n+", re.MULTILINE)
_NOT_SEARCHED = "---\nsearch:\n  exclude: true\n---\n\n"
_LANGUAGES = {".py": "python", ".toml": "toml", ".json": "json", ".css": "css"}


def on_files(files, config):
    """Adds the pages that are not in docs/."""
    for path in TOP_PAGES:
        _add(files, config, f"project/{path}", (ROOT / path).read_text("utf-8"))
    for name, path in API_PAGES.items():
        _add(files, config, f"reference/{name}.md", _reference(ROOT / path))
    for path in sorted(_linked_files(files)):
        _add(files, config, _site_path(path), _source(path))
    for name, series in _CHARTS["CHARTS"].items():
        chart = series()
        for theme in _CHARTS["THEMES"] if chart else ():
            picture = _CHARTS["draw"](chart, theme)
            _add(files, config, f"charts/{name}-{theme}.svg", picture)
    shim = Path(__file__).with_name(WORKER_SHIM).read_text("utf-8")
    _add(files, config, f"javascripts/{WORKER_SHIM}", shim)
    config.nav = _navigation()
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns links into the repository into links to pages of the site."""
    source = page.file.src_uri
    home = _repository_path(source)
    if home is None:
        return markdown
    # Markdown would read a box in front of a link as a reference.
    markdown = markdown.replace("- [ ] ", "- ☐ ")
    markdown = _CHART.sub(_to_pictures(source), markdown)
    return _outside_code(markdown, lambda text: _LINK.sub(_to_page(home, source), text))


def on_page_content(html, page, config, files):
    """Points at lines of code, whose anchors MkDocs cannot check."""
    return re.sub(r'(?<=\.html)\?line=(\d+)(?=")', r"#__codelineno-0-\1", html)


def _navigation():
    """Returns the groups of docs/README.md; the last one ends with the API pages."""
    contents = (ROOT / "docs" / "README.md").read_text("utf-8")
    navigation = [{"Home": "README.md"}]
    for group in re.split(r"^## ", contents, flags=re.MULTILINE)[1:]:
        links = re.findall(r"^- \[([^\]]+)\]\(([^)]+)\)", group, re.MULTILINE)
        entries = [_entry(title, path) for title, path in links]
        if entries:
            navigation.append({group.partition("\n")[0]: entries})
    api = [{f"keras_attn.{name}": f"reference/{name}.md"} for name in API_PAGES]
    navigation[-1]["Reference"].append({"API": api})
    return navigation


def _entry(title, link):
    """Returns the entry of a page; the decisions are listed under their index."""
    path = _site_path(posixpath.normpath(f"docs/{link}"))
    if posixpath.dirname(path) != "decisions":
        return {title: path}
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    return {title: [path, *(f"decisions/{page.name}" for page in pages)]}


def _to_pictures(source):
    """Returns a function from the mark of a chart to its light and dark pictures."""

    def replace(match):
        chart = _CHARTS["CHARTS"][match.group(1)]()
        if chart is None:
            return ""
        folder = posixpath.relpath("charts", posixpath.dirname(source) or ".")
        return "\n".join(
            f"![{chart['title']}]({folder}/{match.group(1)}-{theme}.svg#only-{theme})"
            for theme in _CHARTS["THEMES"]
        )

    return replace


def _to_page(home, source):
    def replace(match):
        link, anchor = match.group(1), match.group(2) or ""
        target = posixpath.normpath(posixpath.join(posixpath.dirname(home), link))
        page = _site_path(target)
        if page.startswith("source/"):
            anchor = re.sub(r"^#L(?=\d+$)", "?line=", anchor)
        return posixpath.relpath(page, posixpath.dirname(source) or ".") + anchor

    return replace


def _site_path(path):
    """Returns the page of the site for a path of the repository."""
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
    linked = set()
    for file in files.documentation_pages():
        home = _repository_path(file.src_uri)
        if home is None:
            continue
        text = _FENCE.sub("", (ROOT / home).read_text("utf-8"))
        for link, _ in _LINK.findall(text):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(home), link))
            if link and _site_path(path).startswith("source/"):
                linked.add(path)
    return linked


def _source(path):
    """Returns the page that shows a file or a folder of the repository."""
    file = ROOT / path
    if file.is_dir():
        listing = subprocess.run(
            ["git", "ls-files", path], cwd=ROOT, capture_output=True, text=True
        ).stdout or "\n".join(sorted(child.name for child in file.iterdir()))
        return f"{_NOT_SEARCHED}# {path}/\n\n```text\n{listing.strip()}\n```\n"
    text = file.read_text("utf-8")
    if file.suffix == ".ipynb":
        return _notebook(path, json.loads(text))
    # A fence longer than any in the file.
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`{3,}", text))])
    language = _LANGUAGES.get(file.suffix, "text")
    code = f'{fence}{language} linenums="1"\n{text.rstrip()}\n{fence}\n'
    return f"{_NOT_SEARCHED}# {path}\n\n{code}"


def _notebook(path, notebook):
    """Returns a notebook as a page: its text as it is, its code in fences."""
    parts = []
    for cell in notebook["cells"]:
        # The badge's picture is on another host, and the site loads from none.
        source = _BADGE.sub("", "".join(cell["source"]))
        if cell["cell_type"] == "code":
            source = f"```python\n{source}\n```"
        parts.append(_LINK.sub(_to_page(path, _site_path(path)), source))
    return "\n\n".join([*parts, f"(`{path}`)\n"])


def _reference(path):
    """Returns the API page of a package: the names that it exports."""
    exported = None
    modules = [path]
    if path.is_dir():
        exported = set(_all_of(path / "__init__.py"))
        modules = sorted(path.rglob("*.py"))
    lines = [f"# {'.'.join(path.relative_to(ROOT).with_suffix('').parts)}", ""]
    for module in modules:
        dotted = ".".join(module.relative_to(ROOT).with_suffix("").parts)
        for name in _defined_names(module):
            if exported is None or name in exported:
                lines += [f"::: {dotted}.{name}", ""]
    return "\n".join(lines)


def _defined_names(module):
    """Returns the public classes and functions defined in a module."""
    kinds = (ast.ClassDef, ast.FunctionDef)
    tree = ast.parse(module.read_text("utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, kinds)}
    return [name for name in _all_of(module) if name in defined]


def _all_of(module):
    """Returns a module's public names, without importing it."""
    for node in ast.parse(module.read_text("utf-8")).body:
        # A package that loads its names lazily lists them as keys of `_HOMES`.
        target = isinstance(node, ast.Assign) and ast.unparse(node.targets[0])
        if target in ("__all__", "_HOMES"):
            return list(ast.literal_eval(node.value))
    return []


def _outside_code(markdown, change):
    """Applies a function to the Markdown outside of fenced code."""
    parts, end = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [change(markdown[end : fence.start()]), fence.group()]
        end = fence.end()
    return "".join([*parts, change(markdown[end:])])


def _add(files, config, path, content):
    files.append(File.generated(config, path, content=content))
