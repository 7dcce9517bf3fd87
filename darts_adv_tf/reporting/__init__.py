"""Drawings and progress for people; nothing here knows a Keras model."""
