"""Docstrings as they are on the site: their examples stand in fences."""

import re

import griffe

_EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)


class FencedDoctests(griffe.Extension):
    """Puts examples, which in Markdown would be quotations, into fences."""

    def on_object(self, *, obj, **_):
        if obj.docstring:
            fenced = _EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
            obj.docstring.value = fenced
