"""Networks: description, assembly, training, evaluation and use."""
