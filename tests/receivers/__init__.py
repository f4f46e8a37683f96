"""Tests of the receivers, and endpoints that only tests need: a token endpoint, a proxy."""
