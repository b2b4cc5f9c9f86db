"""The driver of Amazon SQS and servers of its API."""
