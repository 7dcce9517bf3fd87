"""What the package computes, written a second time in plain NumPy from the definitions alone."""
