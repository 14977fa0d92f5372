"""The page to draw on: a small local server, and what it tells the page of a network."""
