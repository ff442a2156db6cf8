/** From message heads to header blocks: the way back of the readers beside. Fields that are HTTP/1's alone are left out. */
import type { Bytes } from '../../bytes/bytes.ts';
import type { HeaderMap, RequestHead, ResponseHead } from '../../headers/header_map.ts';
import type { HeaderName } from '../../headers/header_name.ts';
import { UPGRADE } from '../../headers/well_known.ts';
import { BLOCK_START_BOUND, fieldBound, type HpackEncoder } from '../hpack/encoder.ts';
import { AUTHORITY, METHOD, PATH, PROTOCOL, SCHEME, STATUS } from '../hpack/field_kind.ts';
import { STATIC_COUNT, STATIC_TABLE } from '../hpack/static_table.ts';
import { BYTE_STREAM } from './rules.ts';

/** Index of the static field of a status, 0 without one. */
const STATUS_INDEX = new Uint8Array(1000);
for (let index = 1; index <= STATIC_COUNT; index++) {
  const { name, value } = STATIC_TABLE[index]!;
  if (name === STATUS) STATUS_INDEX[Number(value)] = index;
}
const GET_INDEX = 2;
const POST_INDEX = 3;
const ROOT_INDEX = 4;
const HTTP_INDEX = 6;
const HTTPS_INDEX = 7;

/** Room for the names of pseudo-header fields and the lengths around them. */
const PSEUDO_BOUND = 5 * 32;

/** Bytes that encoding this head takes at most. */
export function requestHeadBound(head: RequestHead): number {
  const { method, path, authority, scheme, headers } = head;
  return PSEUDO_BOUND + method.length + path.length + authority.length + scheme.length + fieldsBound(headers);
}

export function responseHeadBound(head: ResponseHead): number {
  return PSEUDO_BOUND + fieldsBound(head.headers);
}

export function trailersBound(trailers: HeaderMap): number {
  return fieldsBound(trailers);
}

function fieldsBound(headers: HeaderMap): number {
  const { names, values } = headers;
  let bound = BLOCK_START_BOUND;
  for (let i = 0; i < names.length; i++) bound += fieldBound(names[i], values[i]);
  return bound;
}

/** The protocol that a request asks its stream to become, or empty: it is sent as an extended CONNECT then (RFC 8441). */
export function upgradeOf(head: RequestHead): string {
  return head.method === 'CONNECT' ? '' : (head.headers.get(UPGRADE) ?? '');
}

/** `requestHeadBound`. Returns the offset behind the block. An empty `scheme` is written as http. */
export function encodeRequestHead(encoder: HpackEncoder, target: Bytes, offset: number, head: RequestHead): number {
  const { path, authority, headers } = head;
  const upgrade = upgradeOf(head);
  const method = upgrade === '' ? head.method : 'CONNECT';
  let at = encoder.beginBlock(target, offset);
  if (method === 'GET') at = encoder.encodeStatic(target, at, GET_INDEX);
  else if (method === 'POST') at = encoder.encodeStatic(target, at, POST_INDEX);
  else at = encoder.encodeField(target, at, METHOD, method);
  const protocol = upgrade === '' && method === 'CONNECT' && path !== '' ? BYTE_STREAM : upgrade;
  if (protocol !== '') at = encoder.encodeField(target, at, PROTOCOL, protocol);
  if (path !== '') {
    if (head.scheme === 'https') at = encoder.encodeStatic(target, at, HTTPS_INDEX);
    else if (head.scheme === 'http' || head.scheme === '') at = encoder.encodeStatic(target, at, HTTP_INDEX);
    else at = encoder.encodeField(target, at, SCHEME, head.scheme);
    if (path === '/') at = encoder.encodeStatic(target, at, ROOT_INDEX);
    else at = encoder.encodeField(target, at, PATH, path, isSecret(headers, PATH));
  }
  if (authority !== '') at = encoder.encodeField(target, at, AUTHORITY, authority, isSecret(headers, AUTHORITY));
  return encodeFields(encoder, target, at, headers);
}

/** `responseHeadBound`. A 101, the answer to an upgrade, is written as 200. */
export function encodeResponseHead(encoder: HpackEncoder, target: Bytes, offset: number, head: ResponseHead): number {
  const status = head.status === 101 ? 200 : head.status;
  let at = encoder.beginBlock(target, offset);
  const index = STATUS_INDEX[status];
  if (index > 0) at = encoder.encodeStatic(target, at, index);
  else at = encoder.encodeField(target, at, STATUS, String(status));
  return encodeFields(encoder, target, at, head.headers);
}

/** `trailersBound`. */
export function encodeTrailers(encoder: HpackEncoder, target: Bytes, offset: number, trailers: HeaderMap): number {
  return encodeFields(encoder, target, encoder.beginBlock(target, offset), trailers);
}

function encodeFields(encoder: HpackEncoder, target: Bytes, offset: number, headers: HeaderMap): number {
  const { names, values } = headers;
  let at = offset;
  if (headers.neverIndexed === undefined) {
    for (let i = 0; i < names.length; i++) at = encoder.encodeField(target, at, names[i], values[i]);
  } else {
    for (let i = 0; i < names.length; i++) {
      at = encoder.encodeField(target, at, names[i], values[i], headers.neverIndexed.includes(names[i]));
    }
  }
  return at;
}

function isSecret(headers: HeaderMap, name: HeaderName): boolean {
  return headers.neverIndexed?.includes(name) === true;
}
