"""Service tokens: made and ended by people, and checked at each call."""
