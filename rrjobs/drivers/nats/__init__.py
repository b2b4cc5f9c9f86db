"""The driver of NATS JetStream."""
