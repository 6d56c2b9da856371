"""`sdd-bench demo`: the whole tool on a small dataset whose truth is known."""
