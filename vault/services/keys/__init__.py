"""Package keys rotates, rewraps and reseals keys, and locks the vault."""
