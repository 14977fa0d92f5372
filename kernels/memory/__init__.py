"""Memory: devices, copies, caches."""
