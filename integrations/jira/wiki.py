"""Texts in wiki markup, which Jira Data Center takes (REST API v2). Pure.

Source: "Text Formatting Notation Help" of Jira, and its renderer (com.atlassian.renderer.v2), which
works in passes: macros, blocks, links and URLs, then backslashes, then emoticons and phrases. The
pass of backslashes puts braces back as they are, so that a later pass reads `\\{\\{x\\}\\}` as
code; a backslash before a backslash is a line break. Hence entities for these, which every pass
leaves alone, and backslashes for characters that stay readable with them.
"""

import re

from integrations.jira.content import OPEN, Content, fitting, size, units

_MARKUP = re.compile(
    r"""
    (?P<entity> &(?=[\#A-Za-z0-9][A-Za-z0-9]{1,7};)  # what the renderer takes for an entity
      | [\\{}]
      | :(?=[^\s\d])  # begins an emoticon (`:D`), or makes a link (`https://`, `mailto:`)
    )
    | (?P<escape> [*+?^~|!\[\]()\#%@]
      | (?<![A-Za-z0-9])[-_] | [-_](?![A-Za-z0-9])  # no markup within a word
    )
    | ^(?P<block> \s*(?:h[1-6]|bq))\.  # a heading, a quotation
    """,
    re.VERBOSE | re.MULTILINE,
)
_ESCAPED_LINK = str.maketrans({"[": "%5B", "]": "%5D", "|": "%7C", "\\": "%5C"})


def document(content: Content) -> str:
    """The content as a text that Jira does not find too long."""
    return _document(fitting(content, lambda each: _measure(_document(each))))


def _measure(text: str) -> int:
    return max(units(text), size(text) - 2)


def _document(content: Content) -> str:
    facts = (f"* {escaped(name)}: {escaped(value)}" for name, value in content.facts)
    blocks = [
        *map(escaped, content.remarks),
        escaped(content.title),
        escaped(content.body),
        "\n".join(facts),
        escaped(content.about),
        _link(content.url),
    ]
    return "\n\n".join(filter(None, blocks))


def escaped(text: str) -> str:
    """Text in which the renderer finds no markup, no link and nobody who is mentioned."""
    return _MARKUP.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    if found["block"] is not None:
        return f"{found['block']}&#{ord('.')};"
    return f"&#{ord(found[0])};" if found["entity"] else f"\\{found[0]}"


def _link(url: str) -> str:
    host = url.partition("://")[2].partition("/")[0]
    if not url or "[" in host:  # an IPv6 address cannot stand within the brackets of a link
        return escaped(url)
    return f"[{OPEN}|{url.translate(_ESCAPED_LINK)}]"
