/** What the reader of a message must know of a field, as one number: decided once for a table entry, not once for a request. */
import { type HeaderName, headerName } from '../../headers/header_name.ts';
import {
  CONNECTION,
  CONTENT_LENGTH,
  COOKIE,
  HOST,
  KEEP_ALIVE,
  PROXY_CONNECTION,
  TE,
  TRANSFER_ENCODING,
  UPGRADE,
} from '../../headers/well_known.ts';

export const METHOD: HeaderName = headerName(':method');
export const SCHEME: HeaderName = headerName(':scheme');
export const AUTHORITY: HeaderName = headerName(':authority');
export const PATH: HeaderName = headerName(':path');
export const STATUS: HeaderName = headerName(':status');
export const PROTOCOL: HeaderName = headerName(':protocol');

/** The part of a field's kind that its name alone decides; 0 is a field that nobody here looks at. */
export const FieldRole = {
  Plain: 0,
  Method: 1,
  Scheme: 2,
  Authority: 3,
  Path: 4,
  Status: 5,
  Protocol: 6,
  UnknownPseudo: 7,
  Host: 8,
  Cookie: 9,
  ContentLength: 10,
  Te: 11,
  /** RFC 9113 section 8.2.2: fields that HTTP/2 does not have. */
  ConnectionSpecific: 12,
} as const;

/** Takes the role out of a kind. */
export const ROLE_MASK = 0x0f;
/** Takes what the name alone decides out of a kind. */
export const NAME_MASK = 0x3f;
/** Bits beside the role. */
export const FieldFlag = {
  /** Not a lower-case token. */
  BadName: 0x10,
  Underscore: 0x20,
  /** Holds a control character. */
  BadValue: 0x40,
  /** Begins or ends with a space or tab. */
  PaddedValue: 0x100,
  /** RFC 7541 section 6.2.3: whoever sends this on must not index it either. */
  NeverIndexed: 0x80,
} as const;

const ROLES = new Map<HeaderName, number>([
  [METHOD, FieldRole.Method],
  [SCHEME, FieldRole.Scheme],
  [AUTHORITY, FieldRole.Authority],
  [PATH, FieldRole.Path],
  [STATUS, FieldRole.Status],
  [PROTOCOL, FieldRole.Protocol],
  [HOST, FieldRole.Host],
  [COOKIE, FieldRole.Cookie],
  [CONTENT_LENGTH, FieldRole.ContentLength],
  [TE, FieldRole.Te],
  [CONNECTION, FieldRole.ConnectionSpecific],
  [KEEP_ALIVE, FieldRole.ConnectionSpecific],
  [PROXY_CONNECTION, FieldRole.ConnectionSpecific],
  [TRANSFER_ENCODING, FieldRole.ConnectionSpecific],
  [UPGRADE, FieldRole.ConnectionSpecific],
]);

/** For a name whose characters are in order. */
export function kindOfName(name: HeaderName): number {
  const role = ROLES.get(name);
  if (role !== undefined) return role;
  if (name.text.charCodeAt(0) === 0x3a) return FieldRole.UnknownPseudo;
  return name.text.includes('_') ? FieldFlag.Underscore : FieldRole.Plain;
}
