"""`firelater up`: runs PostgreSQL, Temporal, an S3 server, the API and workers as child processes
on one machine."""


class CannotStart(RuntimeError):
    """Something that the person who ran the command can mend; the message says what."""
