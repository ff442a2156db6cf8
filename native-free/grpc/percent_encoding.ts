/** Percent encoding of `grpc-message` (gRPC over HTTP/2, "Responses"): printable ASCII stays, but for `%`. */

/** `text` has one char a byte, and so has the result. */
export function encodeGrpcMessage(text: string): string {
  let encoded = '';
  let plainFrom = 0;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    if (byte >= 0x20 && byte <= 0x7e && byte !== 0x25) continue;
    encoded += `${text.slice(plainFrom, i)}%${(byte & 0xff).toString(16).toUpperCase().padStart(2, '0')}`;
    plainFrom = i + 1;
  }
  return plainFrom === 0 ? text : encoded + text.slice(plainFrom);
}

/** The bytes, one char each; what is not an escape stays as it is. */
export function decodeGrpcMessage(value: string): string {
  if (!value.includes('%')) return value;
  return value.replace(/%([0-9a-fA-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
