"""Batch normalization on the CPU: ``planes`` runs along images, ``columns`` along channels where an image is one pixel."""
