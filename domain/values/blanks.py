"""Removes from texts what nobody sees: blanks at both ends, and characters without any width.

Imports polars: not for workflows or the API.
"""

import polars as pl

# ICU writes U+202F before AM since version 72, web pages have U+00A0, and text copied from Windows'
# file properties holds marks of direction.
_BLANKS = r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"
_WIDTHLESS = r"\u200b-\u200f\u202a-\u202e\u2060\ufeff"
_INVISIBLE = rf"[{_WIDTHLESS}]"
_BLANK = rf"^[\s{_WIDTHLESS}]*$"
_ODD = r"[^ -~]"
_PLAIN = r"^[!-~](?:[ -~]*[!-~])?$"


def plain(texts: pl.Series) -> pl.Series:
    """The texts trimmed, with a space for every blank and without invisible characters."""
    if not texts.str.contains(_ODD).any():  # the usual case, decided in a third of the time
        return texts.str.strip_chars()
    blanks = texts.str.replace_all(_BLANKS, " ").str.replace_all(_INVISIBLE, "")
    return blanks.str.strip_chars()


def seen(texts: pl.Series) -> pl.Series:
    """The texts unchanged, but null where a text has no visible character."""
    # polars compares bytes: a text that begins with a visible ASCII character sorts between these.
    if not ((texts < "!") | (texts >= "\x7f")).any():
        return texts
    blank = texts.str.contains(_BLANK)
    return texts.set(blank, None) if blank.any() else texts


def comparable(ids: pl.Series) -> pl.Series:
    """Identifiers in the form to compare: trimmed, without invisible characters, composed (NFC);
    null where nothing is left."""
    if ids.str.contains(_PLAIN).all():
        return ids
    composed = ids.str.replace_all(_INVISIBLE, "").str.strip_chars().str.normalize("NFC")
    return composed.set(composed == "", None)
