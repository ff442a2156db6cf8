/** What a codec needs of a byte buffer: Node's Buffer fits, and no `node:` import is needed to say so. */
export interface Bytes extends Uint8Array {
  latin1Slice(start?: number, end?: number): string;
}
