"""Training with misaligned pairs: what the reference submission's losses are made of."""
