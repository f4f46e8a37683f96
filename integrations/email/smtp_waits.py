"""How long a mail server may take for each step."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds; those of RFC 5321 4.5.3.2 where it names any: a client that gives up on a working
    server sends copies.

    `data` is for the answer to DATA, `block` for writing a block of the mail, `taken` for the
    answer to its final dot. `before` bounds all steps before the mail itself, however many they
    are, since giving up there costs only an attempt; `content` bounds all blocks of the mail.
    `test` bounds a test of the connection, which somebody waits for.
    """

    greeting: float = 300.0
    encryption: float = 60.0
    command: float = 300.0  # EHLO, AUTH, MAIL, RCPT, RSET
    data: float = 120.0
    block: float = 180.0
    taken: float = 600.0
    before: float = 600.0
    content: float = 300.0
    test: float = 15.0
