"""Streams to a phone: the ADB wire, shell commands and file transfer over it."""
