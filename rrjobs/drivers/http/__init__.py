"""HTTP as a driver: requests become deliveries, answers become responses."""
