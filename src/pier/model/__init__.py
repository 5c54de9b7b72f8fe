"""Records and grammars. Pure: no file, no syscall, no clock."""
