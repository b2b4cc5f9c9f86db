"""One server as a whole: what it is built of, and its life."""
