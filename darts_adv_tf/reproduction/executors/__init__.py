"""Who makes the runs of a matrix: this machine, or a cluster."""
