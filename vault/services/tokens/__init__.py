"""Service tokens: creating, ending and checking them."""
