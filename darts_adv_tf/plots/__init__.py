"""Drawings as arrays and PNG files; nothing here knows a Keras model."""
