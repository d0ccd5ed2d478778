"""Commands for people; they talk to a server."""
