"""What defines an operation: the records that declare it, its shapes, its rounding, its errors."""
