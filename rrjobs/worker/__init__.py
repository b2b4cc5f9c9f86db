"""PHP worker processes: starting, lending, watching and ending them."""
