"""TaskFlow."""
