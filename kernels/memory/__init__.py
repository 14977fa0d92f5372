"""Where arrays live: devices, copies, caches."""
