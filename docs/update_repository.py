"""Writes the repository's address into files: `python docs/update_repository.py`.

The address is `repository` in `[tool.keras-attn]` of pyproject.toml. With it, notebooks
have a badge that opens them in Colab, and CITATION.cff a line; without it, neither has.
"""

import json
import re
import runpy
from pathlib import Path

__all__ = ["update_citation", "update_notebook"]

ROOT = Path(__file__).parents[1]
_COLAB = "https://colab.research.google.com"
_BADGE = re.compile(r"\[!\[Open in Colab\][^\n]*\n\n")
_CODE = re.compile(r"^repository-code: .*\n", re.MULTILINE)


def update_notebook(text, path, repository):
    """Returns a notebook, as JSON, with the badge below its title.

    Args:
        text: The notebook as JSON.
        path: Its path in the repository.
        repository: Address of the repository on GitHub; `""`: without a badge.
    """
    notebook = json.loads(text)
    first = notebook["cells"][0]
    title, _, rest = "".join(first["source"]).partition("\n\n")
    rest = _BADGE.sub("", rest)
    if repository:
        page = repository.replace("https://github.com", f"{_COLAB}/github")
        picture = f"![Open in Colab]({_COLAB}/assets/colab-badge.svg)"
        rest = f"[{picture}]({page}/blob/main/{path})\n\n{rest}"
    first["source"] = f"{title}\n\n{rest}".splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def update_citation(text, repository):
    """Returns CITATION.cff with the line of the address, or without one."""
    text = _CODE.sub("", text)
    line = f"repository-code: {repository}\n" if repository else ""
    return re.sub(r"^(?=license: )", line, text, flags=re.MULTILINE)


def main():
    """Rewrites the notebooks and CITATION.cff."""
    repository = runpy.run_path(str(ROOT / "setup.py"))["read_repository"]()
    for notebook in (ROOT / "examples" / "notebooks").glob("*.ipynb"):
        path = notebook.relative_to(ROOT).as_posix()
        text = update_notebook(notebook.read_text("utf-8"), path, repository)
        notebook.write_text(text, "utf-8")
    citation = ROOT / "CITATION.cff"
    citation.write_text(update_citation(citation.read_text("utf-8"), repository))


if __name__ == "__main__":
    main()
