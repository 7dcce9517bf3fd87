"""Segmenters and discriminators: S and D of the paper, and the registries that name them."""
