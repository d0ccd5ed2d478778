"""The statements over the tables, one file for each kind of row."""
