"""The confined process that reads uploaded files, which are not trusted."""
