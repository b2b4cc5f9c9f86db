"""The in-memory queue driver."""
