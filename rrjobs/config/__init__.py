"""The configuration: read, expanded, overridden, checked and explained."""
