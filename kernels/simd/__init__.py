"""Register tiles and the functions built on them."""
