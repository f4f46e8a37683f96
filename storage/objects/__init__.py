"""Object storage: S3 or a local directory, behind one interface."""
