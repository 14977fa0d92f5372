"""Augmentation: pictures shifted, rotated, scaled, bent and mirrored at random, for training.

Every picture of a batch is drawn anew in every step, as a pure function of the seed, the number of the step and the place in
the batch (``drawing``), and resampled bilinearly (``resampling``). ``reference`` says the same as loops. ``batch`` takes
whole batches; the fused step calls ``augment_sample`` for the pictures of a block.
"""
