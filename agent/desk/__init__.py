"""What `offhook watch` has to do with the desktop that it runs on.

settings   ``[inbox]``, ``[notify]``, ``[hooks]`` of offhook.toml
manager    words to a service manager: systemd's notify protocol
unit       the service: a systemd user unit, or launchd's
notices    notifications on the desktop
hook       the user's own command for each recording
events     what the system says of a folder
guard      the archived files and offhook.toml, watched for changes
"""
