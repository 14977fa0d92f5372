"""What the right answer is, and how far from it a result may lie."""
