"""Submissions: one archive of predictions and result, made by one side and checked without trust by the other."""
