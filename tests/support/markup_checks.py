"""Whether HTML is well-formed, by the parser of the standard library."""

import html.parser
from collections import Counter


class Checker(html.parser.HTMLParser):
    """Refuses tags that are not nested, and collects tags as they are written."""

    def __init__(self):
        super().__init__()
        self.opened = []
        self.written = Counter()

    def handle_starttag(self, tag, attrs):
        self.written[self.get_starttag_text()] += 1
        self.opened.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.written[self.get_starttag_text()] += 1

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag
        self.written[f"</{tag}>"] += 1


def check_html(text):
    """Returns how often each tag occurs, in texts whose tags are nested and closed."""
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.opened == []
    return checker.written
