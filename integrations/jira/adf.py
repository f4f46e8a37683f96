"""Texts in the Atlassian Document Format, which Jira Cloud takes (REST API v3). Pure.

Source: developer.atlassian.com, "Atlassian Document Format". A text node is shown as it is: only
nodes and marks are markup, so nobody is mentioned and no link hides behind a text. An empty text
node makes the document invalid, and a line break is a node of its own.
"""

from collections.abc import Iterator

from domain.json_document import Json
from integrations.jira.content import OPEN, Content, fitting, size

_BOLD = {"type": "strong"}


def document(content: Content) -> Json:
    """The content as a document that Jira does not find too long."""
    return _document(fitting(content, lambda each: size(_document(each))))


def _document(content: Content) -> Json:
    return {"type": "doc", "version": 1, "content": list(_blocks(content))}


def _blocks(content: Content) -> Iterator[Json]:
    for remark in content.remarks:
        yield _paragraph(_text(remark, {"type": "em"}))
    if content.title:
        yield _paragraph(_text(content.title, _BOLD))
    if content.body:
        yield _paragraph(*_lines(content.body))
    if content.facts:
        yield {"type": "bulletList", "content": [_item(*fact) for fact in content.facts]}
    yield _paragraph(_text(content.about))
    if content.url:
        yield _paragraph(_text(OPEN, {"type": "link", "attrs": {"href": content.url}}))


def _item(name: str, value: str) -> Json:
    named = [_text(f"{name}: ", _BOLD)] if name else []
    return {"type": "listItem", "content": [_paragraph(*named, _text(value))]}


def _paragraph(*inline: Json) -> Json:
    return {"type": "paragraph", "content": list(inline)}


def _lines(text: str) -> Iterator[Json]:
    for number, line in enumerate(text.split("\n")):
        if number:
            yield {"type": "hardBreak"}
        if line:
            yield _text(line)


def _text(text: str, *marks: Json) -> Json:
    return {"type": "text", "text": text, **({"marks": list(marks)} if marks else {})}
