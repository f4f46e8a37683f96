"""Messages that mean harm: mentions, links, markup, and characters that deceive the eye."""

from dataclasses import replace

from hypothesis import strategies as st

from domain.notification.message import Message
from tests.integrations.examples import MESSAGES

SNIPPETS = (
    *("<!channel>", "<!here|x>", "<@U012AB3CD>", "<#C012AB3CD>", "<!date^0^{date}|x>", "@everyone"),
    *(
        "<https://evil.example|https://bank.example>",
        "<mailto:a@b.example|x>",
        "<https://x.example>",
    ),
    *("[bank](https://evil.example)", "[a][b]", "[b]: https://evil.example", "![i](//x.example)"),
    *(
        "[x](<https://e.example> 'y')",
        "*b*",
        "**b**",
        "_i_",
        "__i__",
        "~~s~~",
        "`c`",
        "```\nc\n```",
    ),
    *("<b>b</b>", "<script>alert(1)</script>", "<!-- x -->", "<at>all</at>", "&#91;x&#93;(y)"),
    *("&lt;!channel&gt;", "&amp;", "\\", "\\[", "\\\\", "{{DATE(2026-01-01T00:00:00Z,SHORT)}}"),
    *("\u202egnp.exe\u202c", "\u2066x\u2069", "\u200b", "\ufeff", "\x01\x1b[31m", "\x7f", "\r\n"),
    *("\n", "\n\n", "\n- ", "\n* ", "\n+ ", "\n1. ", "\n12) ", "\n# ", "\n===", "\n---", "\n> "),
    *(
        "\n    ",
        "\n\t",
        "\n| a |\n|---|\n| b |",
        "\u2028# x",
        "\u0085",
        "https://a.example/b_c_d*e*",
    ),
    *("😀", "👩‍👩‍👧‍👦", "é", "e\u0301", "漢字", "\U0010ffff", '"', "'", " ", "word", "0" * 99),
)
_PARTS = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=5), max_size=12).map("".join)


def _texts(limit: int) -> st.SearchStrategy[str]:
    """Up to `limit` characters, as an event may hold them: no NUL, no half characters."""
    sizes = st.sampled_from([1, 1, 1, 30, limit])
    return st.tuples(_PARTS, sizes).map(lambda made: _kept(made[0] * made[1])[:limit])


def _kept(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def _hostile(said: Message, title: str, body: str, facts: list[tuple[str, str]]) -> Message:
    return replace(said, title=title or " ", body=body, facts=tuple(facts))


HOSTILE = st.builds(
    _hostile,
    MESSAGES,
    _texts(1_000),
    _texts(100_000),
    st.lists(st.tuples(_texts(300), _texts(4_000)), max_size=20),
)
