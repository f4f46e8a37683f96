"""The servers of one machine as child processes: PostgreSQL, Temporal, S3, the API and workers."""


class CannotStart(RuntimeError):
    """Something the person who started us can put right; the message says what."""
