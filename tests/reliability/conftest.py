"""What pytest leaves aside."""

# Copies of the program and its tests, from which the kills were made.
collect_ignore = ["results"]
