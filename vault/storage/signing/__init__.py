"""Signs rows when they are written, and checks them when they are read."""
