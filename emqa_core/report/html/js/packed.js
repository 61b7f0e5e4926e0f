// The document that `packed.py` wrote: gzip in base64, a head of JSON, then arrays in narrow types.

const TYPES = {
  i1: Int8Array, i2: Int16Array, i4: Int32Array, u2: Uint16Array, f8: Float64Array,
};
const NULL = 65535;
const FRACTION_STEPS = 65534;

/** The head, with `array(name)` giving {values, shape}; numbers are NaN where they are null. */
export async function unpack(text) {
  const bytes = await inflated(text);
  const size = new DataView(bytes.buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size)));
  const body = bytes.subarray(4 + size);
  const read = new Map();
  return {
    ...head,
    hasArray: (name) => name in head.arrays,
    array(name) {
      if (!read.has(name)) read.set(name, arrayOf(body, head.arrays[name]));
      return read.get(name);
    },
  };
}

async function inflated(text) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function arrayOf(body, entry) {
  const { shape, type, at } = entry;
  const n = shape.reduce((a, b) => a * b, 1);
  const width = Number(type[1]);
  const bytes = new Uint8Array(n * width);
  for (let place = 0; place < width; place += 1) {
    for (let i = 0; i < n; i += 1) bytes[i * width + place] = body[at + place * n + i];
  }
  const held = new TYPES[type](bytes.buffer);
  let values = held;
  if (type === "u2") {
    const scale = (entry.high - entry.low) / FRACTION_STEPS;
    values = Float64Array.from(held, (v) => (v === NULL ? NaN : Math.round((entry.low + v * scale) * 1e5) / 1e5));
  } else if (entry.steps !== undefined) {
    values = summed(Float64Array.from(held), shape, entry.steps);
  }
  return { values, shape };
}

/** Undo differences along an axis. */
function summed(values, shape, axis) {
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const block = inner * shape[axis];
  for (let i = 0; i < values.length; i += 1) {
    if (i % block >= inner) values[i] += values[i - inner];
  }
  return values;
}
