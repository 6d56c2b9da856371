"""How badly the pairs of a dataset are misaligned: zoom, shift, and what they leave."""
