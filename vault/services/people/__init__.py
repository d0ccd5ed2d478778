"""Accounts, logins, sessions, second factors, and the erasure of accounts."""
