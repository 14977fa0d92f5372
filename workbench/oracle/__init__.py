"""The correct results, and how far from them a result may be."""
