"""Run folders: what training writes, and the report page about it."""
