"""The one way out: every call to a server that is not ours, guarded against SSRF."""
