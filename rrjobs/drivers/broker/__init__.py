"""What the drivers of brokers have in common: the life of a connection, of a delivery, of a dead letter."""
