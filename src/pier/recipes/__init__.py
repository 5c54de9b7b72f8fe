"""Well-known base images assembled locally where no registry answers."""
