"""Spot, settle, pull, verify: how a recording reaches the archive."""
