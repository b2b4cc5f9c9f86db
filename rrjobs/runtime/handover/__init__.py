"""How a server gives its place to the next one: listening sockets first, then what it keeps on disk."""
