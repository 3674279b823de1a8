"""The provider's entry points, explored against each other."""
