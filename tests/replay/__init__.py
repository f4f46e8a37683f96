"""Histories of real runs, replayed by the workflows of today: running jobs must survive an update.

`python -m tests.replay.record [NAME …]` writes them anew. Do that only for a change that no running
workflow can meet, and else keep the old ones beside the new (`workflow.patched`).
"""
