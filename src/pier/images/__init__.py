"""Images: the OCI layout, its unpacked layers, registries."""
