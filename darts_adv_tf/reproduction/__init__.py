"""The paper's experiments: the matrix of runs, the processes that make them, and the report."""
