"""Sources of labelled images, their split into cases, and the order of the batches."""
