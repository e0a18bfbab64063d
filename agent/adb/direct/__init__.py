"""Directly to a phone: our own side of ADB's wire, over TCP or USB."""
