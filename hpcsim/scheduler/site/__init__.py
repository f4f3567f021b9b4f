"""What the user of a cluster says once: its site, and the container that jobs run in."""
