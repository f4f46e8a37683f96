"""How long a mail server may take for each step."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds, as RFC 5321 4.5.3.2 asks: a client that gives up on a working server sends copies.

    Giving up before the mail itself costs only an attempt: `before` is what all steps up to it may
    take together, however many they are. `content` is what all blocks of the mail may take, `taken`
    the answer to its final dot. `test` bounds a test of the connection, which somebody waits for.
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
