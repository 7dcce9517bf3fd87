"""Differentiable search of the discriminator for adversarial medical image segmentation.

An implementation in TensorFlow and Keras of Dong et al., "Neural Architecture Search for
Adversarial Medical Image Segmentation", MICCAI 2019.
"""

__version__ = "0.1.0"
