"""Results as files of other tools: tables, and a file a point."""
