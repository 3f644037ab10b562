"""Many videos at once: one document each, whole or not there, and tables over all of them.

What is to be done (`jobs`) → a record on disk for each (`record`) by processes that may die (`workers`), or by those of
a cluster → tables (`tables`). Nothing but what lies on disk is remembered, so that a run may be ended at any moment.
"""
