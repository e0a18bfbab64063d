"""By way of a running adb server, which has the phone."""
