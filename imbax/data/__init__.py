"""From files and known collections to arrays, splits and scalings; numpy in, numpy out."""
