"""Files: pictures in and out (``images``), whole or not at all (``atomic``, ``staging``), told apart (``hashing``).

Nothing is imported here, so that a command which only writes a text file does not pay for the image codecs.
"""
