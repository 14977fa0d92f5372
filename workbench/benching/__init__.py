"""How fast is an implementation? Verified, timed in turn with its rivals, compared with the limits of the machine."""
