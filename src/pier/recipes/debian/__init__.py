"""A Debian root file system made from the machine's own mirror, without debootstrap, apt or dpkg on the machine."""
