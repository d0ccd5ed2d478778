"""Commands for operators on the host. They open the database."""
