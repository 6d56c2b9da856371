"""Datasets: from a raw capture folder to a checked, split, cropped one, and reading it back."""
