"""Scoring folders of predictions by named, frozen protocols."""
