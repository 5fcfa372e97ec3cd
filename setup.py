"""The metadata that pyproject.toml cannot state: addresses below the repository's.

`repository` in `[tool.keras-attn]` of pyproject.toml is the address. The description
that a package index shows is README.md, whose relative links and pictures lead to that
address at the tag of this version. While it is empty there are no URLs, links are plain
text, and pictures are left out. Nothing is fetched.
"""

import re
from pathlib import Path

from setuptools import setup

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parent
_GITHUB = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+")
_PICTURE = re.compile(r"!\[([^\]]*)\]\((?![a-z]+:)([^)\s]+)\)\n?")
_LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:)([^)\s]+)\)")


def read_repository():
    """Returns the address of the repository, or `""` where none is set."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    repository = tomllib.loads(text)["tool"]["keras-attn"]["repository"]
    if repository and not _GITHUB.fullmatch(repository):
        raise ValueError(
            "`repository` in [tool.keras-attn] of pyproject.toml must be an address "
            "such as 'https://github.com/OWNER/keras-attn', without a slash at its "
            f'end, or "". Received: repository={repository!r}'
        )
    return repository


def read_version():
    """Returns `keras_attn.__version__`, without importing it."""
    text = (ROOT / "keras_attn" / "__init__.py").read_text("utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE).group(1)


def project_urls(repository):
    """Returns the addresses that a package index lists, by their labels."""
    if not repository:
        return {}
    return {
        "Repository": repository,
        "Documentation": f"{repository}/blob/main/docs/README.md",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
        "Issues": f"{repository}/issues",
        "Security": f"{repository}/security/policy",
    }


def describe(readme, repository, version):
    """Returns the README with links that resolve outside of the repository."""
    pages = f"{repository}/blob/v{version}"
    if not repository:
        return _LINK.sub(r"\1", _PICTURE.sub("", readme))
    readme = _PICTURE.sub(rf"![\1]({repository}/raw/v{version}/\2)\n", readme)
    return _LINK.sub(rf"[\1]({pages}/\2)", readme)


if __name__ == "__main__":
    address = read_repository()
    setup(
        long_description=describe(
            (ROOT / "README.md").read_text("utf-8"), address, read_version()
        ),
        long_description_content_type="text/markdown",
        project_urls=project_urls(address),
    )
