"""The exported segmenter: writing it, loading it, predicting with it."""
