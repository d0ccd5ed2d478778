"""Commands for the operator on the host; they open the database."""
