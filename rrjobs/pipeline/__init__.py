"""The one road of every message: delivery, priority queue, dispatcher, outcome."""
