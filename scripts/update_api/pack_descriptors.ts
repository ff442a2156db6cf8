/** Step of update_api: keeps the files Envoy's API needs of a FileDescriptorSet and writes them with an index for lazy loading. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

/** What configuration, xDS and the services beside it are written in; everything else only comes as their import. */
const roots = /^(envoy|contrib|xds|udpa|validate|opentelemetry)\//;

const [input, outDir] = process.argv.slice(2);
if (input === undefined || outDir === undefined) throw new Error('usage: pack_descriptors.ts SET.binpb OUT_DIR');

const all = new Map<string, FileDescriptorProto>();
for (const file of fromBinary(FileDescriptorSetSchema, readFileSync(input)).file) all.set(file.name, file);

const kept = new Set<string>();
for (const name of all.keys()) if (roots.test(name)) keep(name, 'roots');

const chunks: Uint8Array[] = [];
const index: Record<string, unknown[]> = {};
let offset = 0;
for (const name of [...kept].sort()) {
  const file = all.get(name)!;
  const bytes = toBinary(FileDescriptorProtoSchema, file);
  chunks.push(bytes);
  index[name] = [
    offset,
    bytes.length,
    file.package,
    file.messageType.map((m) => m.name),
    [...file.enumType, ...file.service].map((t) => t.name),
  ];
  offset += bytes.length;
}
mkdirSync(outDir, { recursive: true });
writeFileSync(join(outDir, 'descriptors.binpb'), Buffer.concat(chunks));
const lines = Object.entries(index).map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`);
writeFileSync(join(outDir, 'index.json'), `{\n${lines.join(',\n')}\n}\n`);
console.log(`${kept.size} files kept, ${offset} bytes`);

function keep(name: string, importer: string): void {
  if (kept.has(name)) return;
  const file = all.get(name);
  if (file === undefined) throw new Error(`${importer} imports ${name}, which no module had`);
  kept.add(name);
  for (const dependency of file.dependency) keep(dependency, name);
}
