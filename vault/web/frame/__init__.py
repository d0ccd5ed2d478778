"""What the pages share: sessions, CSRF, headers, errors, rendering."""
