"""The targets of commands: from an operation or FILE.py[:NAME] to kernels that can be called."""
