"""Queries of migration jobs: the jobs themselves, their accounts, templates and reports."""
