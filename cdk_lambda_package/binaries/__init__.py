"""What binaries ask of the machine and the system that load them."""
