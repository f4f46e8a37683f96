"""ServiceNow: its exports as XML, JSON and CSV."""
