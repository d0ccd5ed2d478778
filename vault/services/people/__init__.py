"""People: accounts, logins, sessions, second factors, and how an account ends."""
