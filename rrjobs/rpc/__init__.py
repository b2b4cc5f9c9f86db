"""The Goridge RPC socket: PHP programs and the command line call the server through it."""
