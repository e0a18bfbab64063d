"""The offhook command: parse, call, print."""
