"""Phones that come and go, wherever they are noticed."""
