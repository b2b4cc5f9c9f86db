"""Goridge: bytes to frames and back, without any I/O policy."""
