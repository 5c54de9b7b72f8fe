"""Front end: parse, call one verb, render."""
