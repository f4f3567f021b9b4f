"""Public data: fetched with a checksum, converted once, never with a question."""
