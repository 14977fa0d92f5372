"""The public functions. Each one validates its arguments, chooses a device, and calls implementations of its operation.

Arrays are NumPy arrays or objects that offer ``__array__``, ``__array_interface__``, host DLPack or
``__cuda_array_interface__``; inputs are never modified. Window options are an int or (height, width); ``padding`` may also
be ((top, bottom), (left, right)), "valid" or "same" (stride 1 only; the extra pixel goes at the end).
"""
