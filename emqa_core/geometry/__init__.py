"""Areas, overlaps and unions of shapes, as kernels over arrays."""
