/** v3 names of v2 messages (control path, step 1): Envoy's descriptors say of each message what it was called before. Some v2 messages still have descriptors of their own. */
import { allMessageNames, findMessageType } from '../../api/registry.ts';

/** Option `udpa.annotations.versioning` of messages: field 1 is the former name. */
const versioning = 7881811;

let table: Map<string, string> | undefined;

/** `envoy.api.v2.Cluster` → `envoy.config.cluster.v3.Cluster`; undefined when no message of today had that name. Loads the whole API once. */
export function v3NameOf(name: string): string | undefined {
  if (!/^envoy\.(.+\.)?v[12](alpha|beta)?\d*\./.test(name)) return undefined;
  table ??= readTable();
  return table.get(name);
}

function readTable(): Map<string, string> {
  const names = new Map<string, string>();
  for (const name of allMessageNames()) {
    const type = findMessageType(name);
    for (const field of type?.proto.options?.$unknown ?? []) {
      if (field.no !== versioning) continue;
      // The length of the option, tag and length of its only field, then the text: all shorter than 128 bytes.
      const former = Buffer.from(field.data).subarray(3).toString('utf8');
      if (former !== name) names.set(former, name);
    }
  }
  return names;
}
