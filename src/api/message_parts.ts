/** Takes encoded messages apart at one repeated field, so that a large one can be decoded bit by bit and only where it changed. */

export interface MessageParts {
  /** Every other field, as a message of its own. */
  readonly rest: Uint8Array;
  /** The members of the field, in their order; views of the message. */
  readonly parts: readonly Uint8Array[];
}

const Varint = 0;
const Fixed64 = 1;
const LengthDelimited = 2;
const Fixed32 = 5;

/** Undefined: not as protobuf is written today; whoever decodes the whole finds out why. `field` holds messages. */
export function splitMessage(bytes: Uint8Array, field: number): MessageParts | undefined {
  const parts: Uint8Array[] = [];
  const rest: Uint8Array[] = [];
  const wanted = field * 8 + LengthDelimited;
  let kept = 0;
  let at = 0;
  while (at < bytes.length) {
    const begin = at;
    const tag = readVarint(bytes, at);
    at = tag.end;
    const end = at < 0 ? -1 : endOfValue(bytes, at, tag.value & 7);
    if (end < 0 || end > bytes.length) return undefined;
    if (tag.value === wanted) {
      if (kept < begin) rest.push(bytes.subarray(kept, begin));
      kept = end;
      parts.push(bytes.subarray(readVarint(bytes, at).end, end));
    }
    at = end;
  }
  if (kept < at) rest.push(bytes.subarray(kept, at));
  return { rest: rest.length === 1 ? rest[0] : concatenated(rest), parts };
}

/** Where the value ends that begins at `at`; negative when it does not. */
function endOfValue(bytes: Uint8Array, at: number, wireType: number): number {
  switch (wireType) {
    case Varint:
      return readVarint(bytes, at).end;
    case Fixed64:
      return at + 8;
    case Fixed32:
      return at + 4;
    case LengthDelimited: {
      const { value, end } = readVarint(bytes, at);
      return end < 0 ? -1 : end + value;
    }
    default:
      return -1;
  }
}

/** `end` is negative when it has no end. Exact below 2^53: beyond, no length or tag is meant. */
function readVarint(bytes: Uint8Array, begin: number): { readonly value: number; readonly end: number } {
  let value = 0;
  let scale = 1;
  for (let at = begin; at < bytes.length && at < begin + 10; at++) {
    value += (bytes[at] & 0x7f) * scale;
    if (bytes[at] < 0x80) return { value, end: at + 1 };
    scale *= 128;
  }
  return { value: 0, end: -1 };
}

function concatenated(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
