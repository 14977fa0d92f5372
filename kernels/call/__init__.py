"""From a public call to a kernel."""
