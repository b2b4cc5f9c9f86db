"""A crash-safe log of numbered entries in a folder of segment files."""
