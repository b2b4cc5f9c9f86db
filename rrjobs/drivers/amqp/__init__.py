"""RabbitMQ: queues and exchanges of AMQP 0-9-1 (spec/jobs-and-rpc.md 4.2)."""
