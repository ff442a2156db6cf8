/** How the encoder treats each name: its static index, and whether its values are worth a place in the table or must not have one. */
import { type HeaderName, headerName } from '../../headers/header_name.ts';
import { STATIC_COUNT, STATIC_TABLE } from './static_table.ts';

export const Indexing = {
  /** Into the table, unless values of this name keep changing. */
  Table: 0,
  /** Values that rarely come twice: nghttp2's list, and identifiers of requests. */
  Literal: 1,
  /** RFC 7541 section 7.1.3: secrets, which an attacker could guess at by the size of what is sent. */
  Never: 2,
  /** As Never while the value is short enough to be guessed, like nghttp2. */
  NeverWhenShort: 3,
  /** RFC 9113 section 8.2.2: HTTP/1's, not sent at all. */
  Drop: 4,
  /** Sent only when it says `trailers`. */
  Trailers: 5,
} as const;
export type Indexing = (typeof Indexing)[keyof typeof Indexing];

/** For NeverWhenShort. */
export const GUESSABLE_LENGTH = 20;

export interface NamePolicy {
  readonly indexing: Indexing;
  /** 0: not in the static table. */
  readonly staticIndex: number;
}

const DEFAULT: NamePolicy = Object.freeze({ indexing: Indexing.Table, staticIndex: 0 });

const NAMES: readonly (readonly [Indexing, string])[] = [
  [Indexing.Literal, ':path age content-length etag if-modified-since if-none-match location set-cookie'],
  [
    Indexing.Literal,
    'x-request-id traceparent x-b3-spanid x-b3-traceid grpc-timeout content-range range last-modified',
  ],
  [Indexing.Never, 'authorization proxy-authorization'],
  [Indexing.NeverWhenShort, 'cookie'],
  [Indexing.Drop, 'connection keep-alive proxy-connection transfer-encoding upgrade host'],
  [Indexing.Trailers, 'te'],
];

const policies = makePolicies();

export function policyOf(name: HeaderName): NamePolicy {
  return policies.get(name) ?? DEFAULT;
}

function makePolicies(): ReadonlyMap<HeaderName, NamePolicy> {
  const map = new Map<HeaderName, NamePolicy>();
  for (let index = 1; index <= STATIC_COUNT; index++) {
    const { name } = STATIC_TABLE[index]!;
    if (!map.has(name)) map.set(name, { indexing: Indexing.Table, staticIndex: index });
  }
  for (const [indexing, names] of NAMES) {
    for (const text of names.split(' ')) {
      const name = headerName(text);
      map.set(name, { indexing, staticIndex: map.get(name)?.staticIndex ?? 0 });
    }
  }
  return map;
}
