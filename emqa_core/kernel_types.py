"""Array types of the kernels' signatures.

Inputs are declared read-only, so that arrays that view Arrow's buffers and arrays of our own run the same
compiled code.
"""

from __future__ import annotations

from numba import types

READ_I8 = types.Array(types.int8, 1, "C", readonly=True)
READ_U8 = types.Array(types.uint8, 1, "C", readonly=True)
READ_U16 = types.Array(types.uint16, 1, "C", readonly=True)
READ_I16 = types.Array(types.int16, 1, "C", readonly=True)
READ_I32 = types.Array(types.int32, 1, "C", readonly=True)
READ_I64 = types.Array(types.int64, 1, "C", readonly=True)
READ_U32 = types.Array(types.uint32, 1, "C", readonly=True)
READ_U64 = types.Array(types.uint64, 1, "C", readonly=True)
READ_F32 = types.Array(types.float32, 1, "C", readonly=True)
READ_F64 = types.Array(types.float64, 1, "C", readonly=True)
READ_BOOL = types.Array(types.boolean, 1, "C", readonly=True)
READ_U8_2D = types.Array(types.uint8, 2, "C", readonly=True)
READ_I16_2D = types.Array(types.int16, 2, "C", readonly=True)
READ_I32_2D = types.Array(types.int32, 2, "C", readonly=True)
READ_I64_2D = types.Array(types.int64, 2, "C", readonly=True)
READ_I64_3D = types.Array(types.int64, 3, "C", readonly=True)
READ_U32_2D = types.Array(types.uint32, 2, "C", readonly=True)
READ_U64_2D = types.Array(types.uint64, 2, "C", readonly=True)
READ_U16_3D = types.Array(types.uint16, 3, "C", readonly=True)
READ_I32_3D = types.Array(types.int32, 3, "C", readonly=True)
READ_U64_3D = types.Array(types.uint64, 3, "C", readonly=True)
READ_F64_2D = types.Array(types.float64, 2, "C", readonly=True)
READ_F64_3D = types.Array(types.float64, 3, "C", readonly=True)
