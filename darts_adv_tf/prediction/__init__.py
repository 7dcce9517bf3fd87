"""Segments new pictures with an exported segmenter: one file a part of the work."""
