#!/bin/sh
# A container starts its own program: packages may not start services when they are installed.
# (invoke-rc.d(8): 101 is "action forbidden by policy".)
exit 101
