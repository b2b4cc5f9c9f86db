"""The methods by service; each file owns the interface of what it calls."""
