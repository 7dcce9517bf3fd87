"""Long tests: what a run survives."""
