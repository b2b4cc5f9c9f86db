"""Sources of deliveries: one folder or file per driver, all behind the same interface."""
