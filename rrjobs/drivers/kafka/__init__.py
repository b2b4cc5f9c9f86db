"""Pipelines on Apache Kafka."""
