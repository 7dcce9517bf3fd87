"""The updates of segmenter, discriminator and architecture, and the loop around them."""
