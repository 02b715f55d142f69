"""A certificate: what a run has proven, signed, with the evidence beside it, to be checked by anybody, offline."""
