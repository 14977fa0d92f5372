"""Register tiles, and what is built on them."""
