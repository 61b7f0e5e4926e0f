"""The worst objects and frames of a run, with small pictures: what stands behind its figures."""
