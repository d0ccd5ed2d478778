"""Keys: rotating, rewrapping and resealing them, and locking the vault."""
