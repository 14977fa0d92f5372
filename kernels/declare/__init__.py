"""What an operation is: the records that declare it, its shapes, its rounding, its errors."""
