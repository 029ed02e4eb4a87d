"""Performance: devices, precision, compilers, timing."""
