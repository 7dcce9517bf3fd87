"""The networks: the two segmentation backbones and the discriminator."""
