"""Offhook: call recordings from a rooted Android test phone, verified and searchable."""

__version__ = "0.1.0"
