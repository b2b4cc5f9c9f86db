"""What every room needs from the process it runs in: services, events, logs, signals, addresses."""
