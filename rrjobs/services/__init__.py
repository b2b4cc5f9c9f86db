"""What stands beside the road of a message: status, metrics, stores."""
