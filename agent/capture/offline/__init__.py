"""A phone that is not here: its verdicts, from a bundle or from loose dumps."""
