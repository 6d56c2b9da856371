"""Scoring folders of predictions by named, frozen protocols."""

# Here, where it costs nothing to import: the commands name it in their help.
DEFAULT_PROTOCOL = "sdd-v1"
