/** Heads of messages as Envoy's debug log shows them. */
import type { RequestHead, ResponseHead } from '../../native-free/headers/header_map.ts';

/** One field a line, pseudo headers first. */
export function dumpHead(head: RequestHead | ResponseHead): string {
  const lines: string[] = [];
  if ('method' in head) {
    lines.push(`':authority', '${head.authority}'`, `':path', '${head.path}'`, `':method', '${head.method}'`);
  } else lines.push(`':status', '${head.status}'`);
  const { names, values } = head.headers;
  for (let i = 0; i < names.length; i++) lines.push(`'${names[i].text}', '${values[i]}'`);
  return `${lines.join('\n')}\n`;
}
