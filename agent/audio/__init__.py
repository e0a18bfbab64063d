"""Decode, measure, draw and play sound."""
