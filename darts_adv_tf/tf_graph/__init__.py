"""Why a step is fast and repeats bit for bit; all private TensorFlow interfaces."""
