"""What can be wrong with the pairs of a raw folder that only their pixels show."""
