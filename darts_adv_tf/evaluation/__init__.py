"""How good a segmenter is on cases it has not seen."""
