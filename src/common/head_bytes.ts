/** The size of heads as Envoy counts them: names and values, the pseudo-headers among them, without anything between. */
import type { HeaderMap, RequestHead } from '../../native-free/headers/header_map.ts';

export function headerBytes(map: HeaderMap | undefined): number {
  let bytes = 0;
  if (map === undefined) return bytes;
  for (let i = 0; i < map.size; i++) bytes += map.names[i].text.length + map.values[i].length;
  return bytes;
}

export function requestHeadBytes(head: RequestHead | undefined): number {
  if (head === undefined) return 0;
  let bytes = headerBytes(head.headers);
  for (const name of [':method', ':path', ':authority', ':scheme'] as const) {
    const value = head[name.slice(1) as 'method' | 'path' | 'authority' | 'scheme'];
    if (value !== '') bytes += name.length + value.length;
  }
  return bytes;
}

export function responseHeadBytes(headers: HeaderMap | undefined): number {
  return headers === undefined ? 0 : headerBytes(headers) + ':status'.length + 3;
}
