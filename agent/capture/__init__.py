"""Turning call-audio capture on and off: routes, the undo journal, consent."""
