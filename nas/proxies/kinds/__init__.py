"""The proxies, one a file."""
