/** The fields that both ends of every connection know (RFC 7541 appendix A), for decoder and encoder. */
import { headerName } from '../../headers/header_name.ts';
import { kindOfName } from './field_kind.ts';
import { ENTRY_OVERHEAD, type HeaderField } from './header_field.ts';

const FIELDS: readonly string[] = [
  ':authority',
  ':method=GET',
  ':method=POST',
  ':path=/',
  ':path=/index.html',
  ':scheme=http',
  ':scheme=https',
  ':status=200',
  ':status=204',
  ':status=206',
  ':status=304',
  ':status=400',
  ':status=404',
  ':status=500',
  'accept-charset',
  'accept-encoding=gzip, deflate',
  'accept-language',
  'accept-ranges',
  'accept',
  'access-control-allow-origin',
  'age',
  'allow',
  'authorization',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'etag',
  'expect',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'link',
  'location',
  'max-forwards',
  'proxy-authenticate',
  'proxy-authorization',
  'range',
  'referer',
  'refresh',
  'retry-after',
  'server',
  'set-cookie',
  'strict-transport-security',
  'transfer-encoding',
  'user-agent',
  'vary',
  'via',
  'www-authenticate',
];

/** Index 1 is the first; there is none at 0. */
export const STATIC_TABLE: readonly (HeaderField | undefined)[] = [undefined, ...FIELDS.map(makeField)];

/** Number of static fields: the newest dynamic one has the index after it. */
export const STATIC_COUNT = FIELDS.length;

function makeField(text: string): HeaderField {
  const [name, value = ''] = text.split('=');
  const header = headerName(name);
  return { name: header, value, size: name.length + value.length + ENTRY_OVERHEAD, kind: kindOfName(header) };
}
