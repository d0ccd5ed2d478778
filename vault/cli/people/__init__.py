"""Commands for people. They talk to a server."""
