"""The search space: candidate operations, their mixture, and the cells made of them."""
