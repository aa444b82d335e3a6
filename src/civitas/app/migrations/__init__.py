"""The schema's history; `civitas db upgrade` brings any older database to the present."""
