"""Pictures of what a trained network sees, has learned, and gets wrong."""
