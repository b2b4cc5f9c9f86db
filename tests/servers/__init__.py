"""The real servers that tests and development use: each started by us, on a free port, in a folder of its own."""
