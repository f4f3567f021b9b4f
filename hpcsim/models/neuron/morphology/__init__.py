"""Trees of sections: read from files or made, divided into segments."""
