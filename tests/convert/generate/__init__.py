"""Random models of each framework, converted and compared with its own numbers."""
