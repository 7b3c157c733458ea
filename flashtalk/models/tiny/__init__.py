"""The embedded family: everything that only flashtalk-tiny has."""
