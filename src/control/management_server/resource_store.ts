/** What a management server serves: resources by type and name, each with a version, and who wants to know of changes. */
import { createHash } from 'node:crypto';
import { type AnyMessage, encode } from '../../api/registry.ts';

export interface StoredResource {
  readonly name: string;
  /** Changes with its content only. */
  readonly version: string;
  readonly bytes: Uint8Array;
}

interface StoredType {
  version: number;
  resources: Map<string, StoredResource>;
}

export class ResourceStore {
  private readonly types = new Map<string, StoredType>();
  private readonly listeners = new Set<(typeName: string) => void>();

  /** Everything there is of a type from now on; nothing happens when that is what there was. */
  set(typeName: string, messages: ReadonlyMap<string, AnyMessage>): void {
    const before = this.types.get(typeName);
    const resources = new Map<string, StoredResource>();
    for (const [name, message] of messages) {
      const bytes = encode(typeName, message);
      const version = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
      resources.set(name, { name, version, bytes });
    }
    if (before !== undefined && sameVersions(before.resources, resources)) return;
    this.types.set(typeName, { version: (before?.version ?? 0) + 1, resources });
    for (const listener of this.listeners) listener(typeName);
  }

  /** Version of a type as a whole; empty when nothing is known of it. */
  version(typeName: string): string {
    const version = this.types.get(typeName)?.version;
    return version === undefined ? '' : String(version);
  }

  resources(typeName: string): ReadonlyMap<string, StoredResource> {
    return this.types.get(typeName)?.resources ?? none;
  }

  typeNames(): string[] {
    return [...this.types.keys()];
  }

  /** Told the type of each change, until the answer is called. */
  onChange(listener: (typeName: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

const none: ReadonlyMap<string, StoredResource> = new Map();

function sameVersions(one: ReadonlyMap<string, StoredResource>, other: ReadonlyMap<string, StoredResource>): boolean {
  if (one.size !== other.size) return false;
  for (const [name, { version }] of one) if (other.get(name)?.version !== version) return false;
  return true;
}
