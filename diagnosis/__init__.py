"""What is wrong with a model whose numbers are not as expected: where they part, and the mistake that explains it."""
