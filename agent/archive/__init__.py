"""The archive on the desktop: files, index, search, custody log."""
