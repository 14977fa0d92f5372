"""The version of the workbench and of its kernels."""

VERSION = "0.1.0"
