"""Images in, images out."""
