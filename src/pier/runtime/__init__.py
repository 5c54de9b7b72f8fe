"""From a plan to a running process, and the monitor that stays with it."""
