"""From files to batches: decoding, sources, checks, preparation, split, order of the batches."""
